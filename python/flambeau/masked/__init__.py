"""Reductions and normalisations of the elements that a mask holds for true (source: torch.masked).

Each is the plain operator on a copy of the input in which what is masked out has become the value that
changes nothing: 0 for sums, 1 for products, the least number for maxima. A mask broadcasts to the
input; None stands for all of it. The results of lines without any element are those values, and NaN
for means, variances and medians.
"""

import flambeau as fl
from flambeau import _C

__all__ = (
    "amax amin argmax argmin cumprod cumsum log_softmax logaddexp logsumexp mean median norm "
    "normalize prod softmax softmin std sum var"
).split()


def _canonical(mask, input):
    """The mask as bools of the input's shape."""
    if mask.shape != input.shape:
        if mask.dim() > input.dim():
            raise IndexError(
                "_input_mask expected broadcastable mask (got mask dimensionality higher than of "
                "the input)"
            )
        mask = _C.broadcast_to(mask, input.shape)
    return mask.to(fl.bool)


def _least(dtype):
    if dtype.is_floating_point or dtype.is_complex:
        return -float("inf")
    return fl.iinfo(dtype).min


def _greatest(dtype):
    if dtype.is_floating_point or dtype.is_complex:
        return float("inf")
    return fl.iinfo(dtype).max


def _filled(input, mask, value):
    """The input with `value`, a number or a function of its dtype, where it is masked out."""
    if mask is None:
        return input
    number = value(input.dtype) if callable(value) else value
    return _C.where(_canonical(mask, input), input, fl.tensor(number, dtype=input.dtype))


def _dims(dim, ndim):
    """The dims that are reduced, in order: all for None and for ()."""
    if dim is None or dim == ():
        return tuple(range(max(ndim, 1)))
    rank, seen = max(ndim, 1), []
    for d in (dim,) if isinstance(dim, int) else dim:
        if not -rank <= d < rank:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-rank}, {rank - 1}], but "
                f"got {d})"
            )
        if d % rank in seen:
            raise RuntimeError(f"dim={d % rank} appears multiple times in the list of dims")
        seen.append(d % rank)
    return tuple(sorted(seen))


def _sum_dtype(input, dtype):
    if dtype is not None:
        return dtype
    small = not (input.dtype.is_floating_point or input.dtype.is_complex)
    return fl.int64 if small else input.dtype


def sum(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Sums over dims, or over all; integers in int64."""
    dims = _dims(dim, input.dim())
    kept = _filled(input, mask, 0)
    return _C.sum(kept, dims, bool(keepdim), dtype=_sum_dtype(input, dtype))


def prod(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Products over dims, or over all; integers in int64."""
    result = _filled(input, mask, 1).to(_sum_dtype(input, dtype))
    for d in reversed(_dims(dim, input.dim())):
        result = result.prod(d, bool(keepdim))
    return result


def cumsum(input, dim, *, dtype=None, mask=None):
    """Running sums along a dim."""
    dtype = dtype or input.dtype
    along = _dims(dim, input.dim())[0]
    return _C.cumsum(_filled(input, mask, 0), along, dtype=dtype).to(dtype)


def cumprod(input, dim, *, dtype=None, mask=None):
    """Running products along a dim."""
    dtype = dtype or input.dtype
    along = _dims(dim, input.dim())[0]
    return _C.cumprod(_filled(input, mask, 1), along, dtype=dtype).to(dtype)


def amax(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Maxima over dims, or over all."""
    kept = _filled(input, mask, _least)
    return _C.amax(kept, _dims(dim, input.dim()), bool(keepdim)).to(dtype or input.dtype)


def amin(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Minima over dims, or over all."""
    kept = _filled(input, mask, _greatest)
    return _C.amin(kept, _dims(dim, input.dim()), bool(keepdim)).to(dtype or input.dtype)


def argmax(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The positions of maxima along a dim, or in the flattened input, in the input's dtype where
    none is given."""
    kept = _filled(input, mask, _least)
    return _C.argmax(kept, dim, bool(keepdim)).to(dtype or input.dtype)


def argmin(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The positions of minima along a dim, or in the flattened input, in the input's dtype where
    none is given."""
    kept = _filled(input, mask, _greatest)
    return _C.argmin(kept, dim, bool(keepdim)).to(dtype or input.dtype)


def _count(input, dim, keepdim, mask):
    """How many elements are there: the canonical mask, and its sums."""
    if mask is None:
        mask = _C.ones(input.shape, dtype=fl.bool, device=input.device)
    mask = _canonical(mask, input)
    return mask, _C.sum(mask, _dims(dim, input.dim()), bool(keepdim))


def mean(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Means over dims, or over all; NaN where there is no element."""
    source = "Input" if dtype is None else "Optional"
    dtype = dtype or input.dtype
    if not (dtype.is_floating_point or dtype.is_complex):
        raise ValueError(
            f"mean(): Could not infer output dtype. {source} dtype must be either a floating point "
            f"or complex dtype. Got: {dtype}"
        )
    mask, count = _count(input, dim, keepdim, mask)
    return sum(input, dim, keepdim=keepdim, dtype=dtype, mask=mask) / count


def median(input, dim=-1, *, keepdim=False, dtype=None, mask=None):
    """The lower medians along a dim; NaN where there is no element, an error of integers."""
    along = _dims(dim, input.dim())[0]
    real = input if input.is_floating_point() else input.to(fl.float32)
    result = fl.nanmedian(_filled(real, mask, float("nan")), along, keepdim)[0]
    if real is input:
        return result
    if result.isnan().any():
        raise ValueError(
            "masked median expects no fully masked out rows if dtype is not floating point"
        )
    return result.to(dtype or input.dtype)


def logsumexp(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The logarithms of sums of exponentials over dims, or over all."""
    kept = _filled(input, mask, _least)
    return _C.logsumexp(kept, _dims(dim, input.dim()), bool(keepdim)).to(dtype or input.dtype)


def logaddexp(input, other, *, dtype=None, input_mask=None, other_mask=None):
    """The logarithm of the sum of two exponentials, each with a mask."""
    result = _C.logaddexp(_filled(input, input_mask, _least), _filled(other, other_mask, _least))
    return result.to(dtype or input.dtype)


def norm(input, ord=2.0, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The norms of vectors over dims, or of all elements."""
    kept = _filled(input, mask, float("inf") if ord == -float("inf") else 0)
    dims = _dims(dim, input.dim())
    return fl.linalg.vector_norm(kept, ord, dims, bool(keepdim), dtype=dtype or input.dtype)


def _spread(input, dim, unbiased, correction, keepdim, dtype, mask, root):
    if unbiased is not None and correction is not None:
        raise AssertionError("Only one of unbiased and correction may be given")
    if correction is None:
        correction = 1.0 if unbiased is None or unbiased else 0.0
    if dtype is None:
        dtype = input.dtype
        if not (dtype.is_floating_point or dtype.is_complex):
            dtype = fl.float32
    compute = dtype if dtype.is_floating_point or dtype.is_complex else fl.float32
    mask, count = _count(input, dim, True, mask)
    centre = sum(input, dim, keepdim=True, dtype=dtype, mask=mask) / count
    x = input - centre
    total = sum(x * x.conj(), dim, keepdim=keepdim, dtype=compute, mask=mask)
    count = count.reshape(total.shape)
    if correction:
        count = (count.to(total.abs().dtype) - correction).clamp(min=0)
    result = (total / count).to(dtype)
    return result.sqrt() if root else result


def var(input, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None):
    """Variances over dims, or of all; NaN where there is no element."""
    return _spread(input, dim, unbiased, correction, keepdim, dtype, mask, False)


def std(input, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None):
    """Standard deviations over dims, or of all; NaN where there is no element."""
    return _spread(input, dim, unbiased, correction, keepdim, dtype, mask, True)


def softmax(input, dim, *, dtype=None, mask=None):
    """softmax along a dim: 0 where masked out."""
    along = _dims(dim, input.dim())[0]
    return _C.softmax(_filled(input, mask, _least), along, dtype=dtype or input.dtype)


def log_softmax(input, dim, *, dtype=None, mask=None):
    """log_softmax along a dim: -inf where masked out."""
    along = _dims(dim, input.dim())[0]
    return _C.log_softmax(_filled(input, mask, _least), along, dtype=dtype or input.dtype)


def softmin(input, dim, *, dtype=None, mask=None):
    """softmin along a dim: 0 where masked out."""
    along = _dims(dim, input.dim())[0]
    return _C.softmax(-_filled(input, mask, _greatest), along, dtype=dtype or input.dtype)


def normalize(input, ord, dim, *, eps=1e-12, dtype=None, mask=None):
    """The input divided by its norms along a dim, or by eps where that is larger."""
    size = norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return _filled(input, mask, 0) / size.clamp(min=eps)
