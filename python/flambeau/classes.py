"""Classes of libraries in C++ (source: torch.classes): there are none."""

loaded_libraries = set()


def load_library(path):
    """NotImplementedError: a library for PyTorch's C++ cannot be used. Flambeau's operators of a
    program's own are torch.library.custom_op, and plugins in C."""
    raise NotImplementedError(
        f"Flambeau loads no classes of PyTorch's C++ ({path}); own operators: torch.library.custom_op"
    )
