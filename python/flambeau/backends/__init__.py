"""Switches of PyTorch's backends that programs set or read (source: torch.backends). All are
accepted; none changes results, because Flambeau's kernels are deterministic and compute in the
dtype they are given."""

import sys
from contextlib import contextmanager
from types import ModuleType

fp32_precision = "none"


def _backend(name, available=False, **values):
    """A module flambeau.backends.NAME with is_available(), the given settings, and flags(...): a
    context in which some of them are others."""
    module = ModuleType(
        f"{__name__}.{name}", f"Settings of PyTorch's {name} backend: accepted, without effect."
    )

    @contextmanager
    def flags(**changes):
        before = {key: module.__dict__[key] for key in changes if key in module.__dict__}
        module.__dict__.update(changes)
        try:
            yield
        finally:
            module.__dict__.update(before)

    def set_flags(**changes):
        before = tuple(module.__dict__.get(key) for key in changes)
        module.__dict__.update(changes)
        return before

    module.is_available = lambda: available
    module.flags, module.set_flags = flags, set_flags
    module.__dict__.update(values)
    sys.modules[module.__name__] = module
    return module


class _Settings:
    """A place for settings that nobody reads."""

    def __init__(self, **values):
        self.__dict__.update(values)


class _verbose:
    """What mkl and mkldnn would print of their calls: a context that does nothing."""

    def __init__(self, enable=0):
        self.enable = enable

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return False


cudnn = _backend(
    "cudnn",
    enabled=True,
    deterministic=False,
    benchmark=False,
    benchmark_limit=None,
    allow_tf32=True,
    fp32_precision="none",
    conv=_Settings(fp32_precision="none"),
    rnn=_Settings(fp32_precision="none"),
    version=lambda: None,
    is_acceptable=lambda tensor: False,
)
cuda = _backend(
    "cuda",
    matmul=_Settings(
        allow_tf32=False,
        allow_fp16_reduced_precision_reduction=True,
        allow_bf16_reduced_precision_reduction=True,
        allow_fp16_accumulation=False,
        fp32_precision="none",
    ),
    cufft_plan_cache=_Settings(size=0, max_size=0, clear=lambda: None),
    is_built=lambda: False,
    is_flash_attention_available=lambda: False,
    fp16_bf16_reduction_math_sdp_allowed=lambda: False,
    allow_fp16_bf16_reduction_math_sdp=lambda enabled: None,
    preferred_linalg_library=lambda backend=None: backend,
    preferred_blas_library=lambda backend=None: backend,
)


def _attention(name, short):
    """NAME_sdp_enabled() and enable_NAME_sdp(): remembered."""
    state = [True]

    def enabled():
        return state[0]

    def enable(enabled):
        state[0] = bool(enabled)

    setattr(cuda, f"{short}_sdp_enabled", enabled)
    setattr(cuda, f"enable_{short}_sdp", enable)


for _name in ("flash", "math", "mem_efficient", "cudnn"):
    _attention(_name, _name)


@contextmanager
def _sdp_kernel(enable_flash=True, enable_math=True, enable_mem_efficient=True, enable_cudnn=True):
    wanted = {
        "flash": enable_flash,
        "math": enable_math,
        "mem_efficient": enable_mem_efficient,
        "cudnn": enable_cudnn,
    }
    before = {name: getattr(cuda, f"{name}_sdp_enabled")() for name in wanted}
    for name, value in wanted.items():
        getattr(cuda, f"enable_{name}_sdp")(value)
    try:
        yield {}
    finally:
        for name, value in before.items():
            getattr(cuda, f"enable_{name}_sdp")(value)


cuda.sdp_kernel = _sdp_kernel


def _without_mps(*args):
    raise RuntimeError("Cannot execute isOnMacOSorNewer() without MPS backend.")


mps = _backend(
    "mps",
    is_built=lambda: False,
    is_macos_or_newer=_without_mps,
    is_macos13_or_newer=_without_mps,
)
mkl = _backend("mkl", VERBOSE_OFF=0, VERBOSE_ON=1, verbose=_verbose)
mkldnn = _backend(
    "mkldnn",
    enabled=False,
    deterministic=False,
    allow_tf32=None,
    fp32_precision="none",
    matmul=_Settings(fp32_precision="none"),
    conv=_Settings(fp32_precision="none"),
    rnn=_Settings(fp32_precision="none"),
    VERBOSE_OFF=0,
    VERBOSE_ON=1,
    VERBOSE_ON_CREATION=2,
    verbose=_verbose,
)
openmp = _backend("openmp")
nnpack = _backend("nnpack")
xnnpack = _backend("xnnpack", enabled=False)
quantized = _backend("quantized", engine="none", supported_engines=["none"])
opt_einsum = _backend("opt_einsum", enabled=False, strategy=None, get_opt_einsum=lambda: None)
cpu = _backend("cpu", available=True)


def _capability():
    """The instruction set that the kernels use, as PyTorch names it."""
    from flambeau import _C

    names = {"avx512": "AVX512", "avx2": "AVX2"}
    return names.get(_C._isa_name() if hasattr(_C, "_isa_name") else "", "DEFAULT")


cpu.get_cpu_capability = _capability


def disable_global_flags():
    """Accepted: settings stay changeable."""
