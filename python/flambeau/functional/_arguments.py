"""How compositions read their arguments."""

from flambeau import _C


def several(tensors):
    """The tensors of f(a, b, ...) or f([a, b, ...])."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        return tuple(tensors[0])
    return tensors


def check_input(name, input):
    """TypeError where the first argument of the function called `name` is no tensor."""
    if not isinstance(input, _C.Tensor):
        raise TypeError(
            f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )


def wrap_dim(dim, ndim):
    """dim counted from the front; IndexError when there is none such."""
    bound = max(ndim, 1)
    if not -bound <= dim < bound:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-bound}, {bound - 1}], "
            f"but got {dim})"
        )
    return dim % bound
