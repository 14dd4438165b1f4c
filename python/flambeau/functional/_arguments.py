"""How compositions read their arguments."""


def several(tensors):
    """The tensors of f(a, b, ...) or f([a, b, ...])."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        return tuple(tensors[0])
    return tensors


def wrap_dim(dim, ndim):
    """dim counted from the front; IndexError when there is none such."""
    bound = max(ndim, 1)
    if not -bound <= dim < bound:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-bound}, {bound - 1}], "
            f"but got {dim})"
        )
    return dim % bound


def slice_of(t, dim, start, end, step):
    """t[start:end:step] along dim."""
    return t[(slice(None),) * wrap_dim(dim, t.dim()) + (slice(start, end, step),)]
