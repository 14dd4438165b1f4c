"""Operators of a program's own, built with PyTorch's C++ library (source: torch.utils.cpp_extension):
Flambeau has another interface, in C, and builds none of them. Build files may describe them."""

from flambeau._hint import hint

CUDA_HOME = ROCM_HOME = None


def _refuse(name):
    raise NotImplementedError(
        f"Flambeau has no torch.utils.cpp_extension.{name}: operators written for PyTorch's C++ "
        "library cannot be built"
        + hint(
            "write the operator in Python with flambeau.autograd.Function, or in C with flambeau.h.",
            "请用 flambeau.autograd.Function 以 Python 编写该算子，或用 flambeau.h 以 C 编写。",
        )
    )


def load(name, sources, *args, **kwargs):
    """NotImplementedError."""
    _refuse("load")


def load_inline(name, cpp_sources, *args, **kwargs):
    """NotImplementedError."""
    _refuse("load_inline")


def CppExtension(name, sources, *args, **kwargs):  # noqa: N802  PyTorch's name
    """NotImplementedError."""
    _refuse("CppExtension")


def CUDAExtension(name, sources, *args, **kwargs):  # noqa: N802  PyTorch's name
    """NotImplementedError."""
    _refuse("CUDAExtension")


class BuildExtension:
    """A command of build files. NotImplementedError when it is made."""

    def __init__(self, *args, **kwargs):
        _refuse("BuildExtension")

    @classmethod
    def with_options(cls, **options):
        """The command itself."""
        return cls


def include_paths(device_type="cpu"):
    """NotImplementedError."""
    _refuse("include_paths")
