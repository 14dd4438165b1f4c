"""Elements reduced or written where an index says."""

import math

import flambeau as fl
from flambeau import _C
from flambeau.functional._arguments import wrap_dim


def _reduced(self, number, size, src, reduce, include_self):
    """self, seen as a row, with the elements of src (a row) reduced into the positions `number`."""
    hits = fl.zeros(size, dtype=fl.int64).index_add_(0, number, fl.ones_like(number))
    touched = hits > 0
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    if reduce in ("sum", "mean"):
        base = self if include_self else self.masked_fill(touched, 0)
        total = base.index_add(0, number, src)
        if reduce == "sum":
            return total
        count = (hits + 1 if include_self else hits).clamp(min=1)
        if self.is_floating_point():
            return total / count.to(self.dtype)
        return _C.div(total, count, rounding_mode="floor").to(self.dtype)
    # What falls on one place stands in a row of a table: as many columns as any place has hits.
    order = _C.sort(number, stable=True)[1]
    starts = _C.cumsum(hits, 0) - hits
    among = fl.empty_like(number).index_copy_(
        0, order, fl.arange(number.numel()) - starts[number[order]]
    )
    columns = int(hits.max()) + 1 if number.numel() else 1
    own = self.unsqueeze(1)
    if reduce == "prod":
        fill = 1
    else:
        fill = _least(self.dtype) if reduce == "amax" else _greatest(self.dtype)
    if not include_self:
        own = own.masked_fill(touched.unsqueeze(1), fill)
    rest = fl.full((size * (columns - 1),), fill, dtype=self.dtype)
    rest = rest.index_copy(0, number * (columns - 1) + among, src).reshape(size, columns - 1)
    table = _C.cat([own, rest], 1)
    if reduce == "prod":
        return table.prod(1).to(self.dtype)
    return table.amax(1) if reduce == "amax" else table.amin(1)


def _least(dtype):
    if dtype == fl.bool:
        return False
    return -math.inf if dtype.is_floating_point else fl.iinfo(dtype).min


def _greatest(dtype):
    if dtype == fl.bool:
        return True
    return math.inf if dtype.is_floating_point else fl.iinfo(dtype).max


def scatter_reduce(input, dim, index, src, reduce, *, include_self=True):
    """A copy of input into whose elements those of src are reduced ('sum', 'prod', 'mean', 'amax',
    'amin') where index says along dim (source: torch.scatter_reduce)."""
    dim = wrap_dim(dim, input.dim())
    if input.dtype != src.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    shape = input.shape
    if index.numel() == 0:
        return input.clone()
    _C.scatter(input.detach(), dim, index, src.detach())  # refuses what does not fit
    if input.dim() == 0:
        input, index, src = input.reshape(1), index.reshape(-1), src.reshape(-1)
    corner = src[tuple(slice(0, n) for n in index.shape)]
    number, stride = 0, 1
    for d in range(input.dim() - 1, -1, -1):
        line = fl.arange(index.shape[d]).reshape([-1] + [1] * (input.dim() - 1 - d))
        number = number + (index if d == dim else line) * stride
        stride *= input.shape[d]
    number = number.expand(index.shape).flatten()
    flat = _reduced(
        input.reshape(-1), number, input.numel(), corner.reshape(-1), reduce, include_self
    )
    return flat.reshape(shape)


def index_reduce(input, dim, index, source, reduce, *, include_self=True):
    """A copy of input into whose slices along dim those of source are reduced ('prod', 'mean',
    'amax', 'amin') where index says (source: torch.index_reduce)."""
    dim = wrap_dim(dim, input.dim())
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got "
            f"{reduce}"
        )
    if input.dim() == 0:
        return scatter_reduce(
            input, 0, index.reshape(-1), source.reshape(-1), reduce, include_self=include_self
        )
    wide = index.reshape([-1 if d == dim else 1 for d in range(input.dim())]).expand(source.shape)
    return scatter_reduce(input, dim, wide, source, reduce, include_self=include_self)


def _inplace(function):
    def write(self, *args, **kwargs):
        return self.copy_(function(self.clone(), *args, **kwargs))

    write.__name__ = write.__qualname__ = function.__name__ + "_"
    write.__doc__ = f"{function.__name__}, written into self."
    return write


scatter_reduce_, index_reduce_ = map(_inplace, (scatter_reduce, index_reduce))
