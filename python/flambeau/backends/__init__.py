"""Switches of PyTorch's backends that programs set or read (source: torch.backends). All are
accepted; none changes results, because Flambeau's kernels are deterministic and compute in the
dtype they are given."""

import sys
from types import ModuleType


def _backend(name, available=False, **values):
    """A module flambeau.backends.NAME with is_available() and the given settings."""
    module = ModuleType(
        f"{__name__}.{name}", f"Settings of PyTorch's {name} backend: accepted, without effect."
    )
    module.is_available = lambda: available
    module.__dict__.update(values)
    sys.modules[module.__name__] = module
    return module


class _Settings:
    """A place for settings that nobody reads."""

    def __init__(self, **values):
        self.__dict__.update(values)


cudnn = _backend(
    "cudnn",
    enabled=True,
    deterministic=False,
    benchmark=False,
    allow_tf32=True,
    version=lambda: None,
)
cuda = _backend(
    "cuda", matmul=_Settings(allow_tf32=False, fp32_precision="none"), is_built=lambda: False
)
mps = _backend("mps", is_built=lambda: False)
mkl = _backend("mkl")
mkldnn = _backend("mkldnn", enabled=False)
openmp = _backend("openmp")
