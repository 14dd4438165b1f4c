"""Asking about NVIDIA GPUs (source: torch.cuda). Python has no CUDA device: questions have the answers
of PyTorch built without CUDA, and what needs a GPU raises what it raises there."""

from collections import OrderedDict
from contextlib import contextmanager

from flambeau import _C
from flambeau._hint import hint

OutOfMemoryError = _C.OutOfMemoryError
default_generators = ()
has_half, has_magma = True, False


def is_available():
    """False: no GPU is used."""
    return False


def _is_compiled():
    return False


def _no(*args, **kwargs):
    return False


is_initialized = is_bf16_supported = is_tf32_supported = _is_in_bad_fork = _no


def device_count():
    return 0


def _none(*args, **kwargs):
    raise AssertionError(
        "Torch not compiled with CUDA enabled"
        + hint(
            "no CUDA device is available: guard GPU code with torch.cuda.is_available(), or use "
            "device='cpu'.",
            "没有可用的 CUDA 设备：请用 torch.cuda.is_available() 判断后再使用 GPU，"
            "或改用 device='cpu'。",
        )
    )


# What needs a GPU.
init = _lazy_init = synchronize = ipc_collect = cudart = mem_get_info = _none
current_device = current_stream = default_stream = current_blas_handle = initial_seed = _none
get_device_name = get_device_properties = get_device_capability = get_rng_state = _none
set_per_process_memory_fraction = get_per_process_memory_fraction = _none
set_sync_debug_mode = get_sync_debug_mode = can_device_access_peer = set_rng_state = _none
is_current_stream_capturing = graph_pool_handle = make_graphed_callables = _sleep = _none
utilization = temperature = power_draw = clock_rate = memory_usage = memory_snapshot = _none
set_stream = caching_allocator_alloc = memory_summary = list_gpu_processes = _none


def _nothing(*args, **kwargs):
    """Accepted without a GPU, as in PyTorch."""


manual_seed = manual_seed_all = seed = seed_all = empty_cache = caching_allocator_enable = _nothing
# PyTorch without CUDA stops here by accident (an AttributeError); there is nothing to reset.
reset_peak_memory_stats = reset_max_memory_allocated = reset_max_memory_cached = _nothing
reset_accumulated_memory_stats = _nothing


def memory_allocated(device=None):
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated
memory_cached = max_memory_cached = memory_allocated


def memory_stats(device=None):
    return OrderedDict()


host_memory_stats = memory_stats


def memory_stats_as_nested_dict(device=None):
    return {}


def get_arch_list():
    return []


def get_gencode_flags():
    return ""


def get_rng_state_all():
    return []


def set_rng_state_all(new_states):
    for state in new_states:
        set_rng_state(state)


def _index(device, where):
    """The index of a device, -1 for none; ValueError for one that is no CUDA device."""
    if device is None:
        return -1
    if isinstance(device, int):
        return device
    device = _C.device(device)
    if device.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {device}")
    return 0 if device.index is None else device.index


def set_device(device):
    """Accepts a negative index, which means none."""
    if _index(device, "set_device") >= 0:
        _none()


class device:
    """A context in which another GPU is the current one: only none can be (source:
    torch.cuda.device)."""

    def __init__(self, device):
        self.idx = _index(device, "device")

    def __enter__(self):
        if self.idx >= 0:
            _none()

    def __exit__(self, *exc):
        return False


class device_of(device):
    """The same for the GPU of a tensor."""

    def __init__(self, obj):
        super().__init__(obj.get_device() if obj.is_cuda else -1)


class StreamContext:
    """A context in which another stream is the current one; None changes nothing."""

    def __init__(self, stream):
        self.stream = stream

    def __enter__(self):
        if self.stream is not None:
            _none()

    def __exit__(self, *exc):
        return False


def stream(stream):
    return StreamContext(stream)


@contextmanager
def caching_allocator_disabled():
    yield


class _Absent:
    """A thing of a GPU's: it cannot be made."""

    def __new__(cls, *args, **kwargs):
        raise RuntimeError(f"torch.cuda.{cls.__name__} requires CUDA support")


class Stream(_Absent):
    """Raises RuntimeError: there is no GPU."""


class ExternalStream(_Absent):
    """Raises RuntimeError: there is no GPU."""


class Event(_Absent):
    """Raises RuntimeError: there is no GPU."""


class CUDAGraph(_Absent):
    """Raises RuntimeError: there is no GPU."""


class graph(_Absent):
    """Raises RuntimeError: there is no GPU."""


class MemPool(_Absent):
    """Raises RuntimeError: there is no GPU."""


TYPE_CHECKING = False  # a type checker reads what follows; no program does
if TYPE_CHECKING:
    from typing import Any

    from flambeau.cuda import amp, memory, nccl, nvtx, profiler, random  # noqa: F401

    FloatTensor: Any
    DoubleTensor: Any
    HalfTensor: Any
    BFloat16Tensor: Any
    LongTensor: Any
    IntTensor: Any
    ShortTensor: Any
    CharTensor: Any
    ByteTensor: Any
    BoolTensor: Any
else:

    def __getattr__(name):
        if name in ("amp", "nvtx", "random", "memory", "nccl", "profiler"):
            return __import__("flambeau.cuda." + name, fromlist=["__name__"])
        from flambeau import _legacy

        kind = _legacy.cuda_type(name)
        if kind is None:
            raise AttributeError(f"module 'flambeau.cuda' has no attribute '{name}'")
        return kind
