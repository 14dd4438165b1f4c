"""Asking about NVIDIA GPUs (source: torch.cuda). This build computes on the CPU alone."""

from flambeau._hint import hint


def is_available():
    """False: no GPU is used."""
    return False


def is_initialized():
    return False


def device_count():
    return 0


def _none(*args, **kwargs):
    raise AssertionError(
        "Torch not compiled with CUDA enabled"
        + hint(
            "Flambeau computes on the CPU here: guard GPU code with torch.cuda.is_available(), or "
            "use device='cpu'.",
            "此处 Flambeau 在 CPU 上计算：请用 torch.cuda.is_available() 判断后再使用 GPU，"
            "或改用 device='cpu'。",
        )
    )


current_device = get_device_name = get_device_properties = get_device_capability = set_device = (
    _none
)
mem_get_info = current_stream = _none


def manual_seed(seed):
    """Accepted without a GPU, as in PyTorch."""


manual_seed_all = manual_seed


def empty_cache():
    """Nothing to free without a GPU."""


def synchronize(device=None):
    _none()


def memory_allocated(device=None):
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


def __getattr__(name):
    from flambeau import _legacy

    kind = _legacy.cuda_type(name)
    if kind is None:
        raise AttributeError(f"module 'flambeau.cuda' has no attribute '{name}'")
    return kind
