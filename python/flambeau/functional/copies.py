"""Copies of what views show, and copies with something else written where a view looks."""

import flambeau as fl
from flambeau import _C
from flambeau.autograd import Function
from flambeau.functional._arguments import slice_of


def _copying(name, view):
    def copy(*args, **kwargs):
        result = view(*args, **kwargs)
        if isinstance(result, _C.Tensor):
            return result.clone(memory_format=fl.contiguous_format)
        return tuple(part.clone() for part in result)

    copy.__name__ = copy.__qualname__ = name
    copy.__doc__ = f"A copy of what the view of that name shows (source: torch.{name})."
    return copy


_COPIES = (
    "as_strided diagonal expand permute select split split_with_sizes squeeze t transpose unbind "
    "unfold unsqueeze view"
).split()
for _name in _COPIES:
    globals()[_name + "_copy"] = _copying(_name + "_copy", getattr(_C.Tensor, _name))
alias_copy = _copying("alias_copy", lambda input: input)
narrow_copy = _copying("narrow_copy", _C.Tensor.narrow)
unsafe_split = _copying("unsafe_split", _C.Tensor.split)
unsafe_chunk = _copying("unsafe_chunk", _C.Tensor.chunk)


def _scattering(input, src, view):
    result = input.clone(memory_format=fl.contiguous_format)
    place = view(result)
    if place.shape != src.shape:
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. src size = "
            f"{list(src.shape)}, slice size = {list(place.shape)}"
        )
    place.copy_(src)
    return result


def diagonal_scatter(input, src, offset=0, dim1=0, dim2=1):
    """A copy of input with src on a diagonal (source: torch.diagonal_scatter)."""
    return _scattering(input, src, lambda t: t.diagonal(offset, dim1, dim2))


def select_scatter(input, src, dim, index):
    """A copy of input with src at one index of a dim (source: torch.select_scatter)."""
    return _scattering(input, src, lambda t: t.select(dim, index))


def slice_scatter(input, src, dim=0, start=None, end=None, step=1):
    """A copy of input with src in a slice of a dim (source: torch.slice_scatter)."""
    return _scattering(input, src, lambda t: slice_of(t, dim, start, end, step))


class _AsStridedScatter(Function):
    @staticmethod
    def forward(ctx, input, src, *place):
        ctx.place = place
        return _scattering(input, src, lambda t: t.as_strided(*place))

    @staticmethod
    def backward(ctx, g):
        g = g.contiguous()
        shown, of_input = g.as_strided(*ctx.place), fl.zeros_like(g)
        of_input.as_strided(*ctx.place).copy_(shown)
        return of_input, shown, None, None, None


def as_strided_scatter(input, src, size, stride, storage_offset=None):
    """A copy of input with src where as_strided shows it (source: torch.as_strided_scatter).

    The gradient of input is, as PyTorch has it, that of the result where src was written, and 0
    elsewhere."""
    return _AsStridedScatter.apply(input, src, size, stride, storage_offset)
