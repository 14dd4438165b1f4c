"""Differences of neighbours, and areas by the trapezoid rule."""

import flambeau as fl
from flambeau import _C
from flambeau.functional._arguments import slice_of, wrap_dim


def diff(input, n=1, dim=-1, prepend=None, append=None):
    """Differences of neighbours along a dim, n times (source: torch.diff)."""
    if input.dim() == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    dim = wrap_dim(dim, input.dim())
    for extra in (prepend, append):
        if extra is not None and extra.dim() != input.dim():
            raise RuntimeError(
                "diff expects prepend or append to be the same dimension as input"
            )
    if n == 0:
        return input.clone()
    parts = [t for t in (prepend, input, append) if t is not None]
    t = _C.cat(parts, dim) if len(parts) > 1 else input
    for _ in range(min(n, t.shape[dim])):
        after, before = slice_of(t, dim, 1, None, 1), slice_of(t, dim, None, -1, 1)
        t = after ^ before if t.dtype == fl.bool else after - before
    return t


def trapezoid(y, x=None, *, dx=None, dim=-1):
    """The area under points by the trapezoid rule (source: torch.trapezoid)."""
    parts = _trapezoids(y, x, dx, dim)
    return parts.sum(dim)


def cumulative_trapezoid(y, x=None, *, dx=None, dim=-1):
    """The running areas of trapezoid (source: torch.cumulative_trapezoid)."""
    return _trapezoids(y, x, dx, dim).cumsum(dim)


def trapz(y, x=None, *, dx=None, dim=-1):
    """trapezoid by NumPy's name (source: torch.trapz)."""
    return trapezoid(y, x, dx=dx, dim=dim)


def _trapezoids(y, x, dx, dim):
    dim = wrap_dim(dim, y.dim())
    if y.dtype == fl.bool or (x is not None and x.dtype == fl.bool):
        raise RuntimeError("trapezoid: bool is not supported for `x` or `y`")
    middle = slice_of(y, dim, 1, None, 1) + slice_of(y, dim, None, -1, 1)
    if x is None:
        return middle * ((1 if dx is None else dx) / 2.0)
    if x.dim() == 1 and y.dim() > 1:
        if x.shape[0] != y.shape[dim]:
            raise RuntimeError(
                "trapezoid: There must be one `x` value for each sample point"
            )
        x = x.reshape([-1 if d == dim else 1 for d in range(y.dim())])
    elif x.dim() < y.dim():
        x = x.reshape((1,) * (y.dim() - x.dim()) + tuple(x.shape))
    at = dim + x.dim() - y.dim()
    return middle * diff(x, dim=at) / 2.0
