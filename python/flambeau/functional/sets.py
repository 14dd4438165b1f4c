"""Distinct elements, and what is among them."""

import math

import flambeau as fl
from flambeau import _C
from flambeau.functional._arguments import wrap_dim


def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The distinct elements in order, or the distinct slices along dim; on request with the number
    of each element's (int64, as input) and how often each stands (source: torch.unique)."""
    if dim is None:
        found = _C._unique2(input, sorted, return_inverse, return_counts)
        return _wanted(found, return_inverse, return_counts)
    dim = wrap_dim(dim, input.dim())
    order = _slices_in_order(input, dim)
    values = input.index_select(dim, order)
    first = _slice_changes(values, dim)
    return _runs(values, first, order, dim, return_inverse, return_counts)


def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """unique, among neighbours alone and without sorting (source: torch.unique_consecutive)."""
    if dim is None:
        found = _C._unique_neighbours(input, return_inverse, return_counts)
        return _wanted(found, return_inverse, return_counts)
    dim = wrap_dim(dim, input.dim())
    first = _slice_changes(input, dim)
    order = fl.arange(first.shape[0])
    return _runs(input, first, order, dim, return_inverse, return_counts)


def _wanted(found, return_inverse, return_counts):
    """Of (values, inverse, counts) what was asked for."""
    values, inverse, counts = found
    if not (return_inverse or return_counts):
        return values
    return (values,) + ((inverse,) if return_inverse else ()) + ((counts,) if return_counts else ())


def _rows(t, dim):
    """The slices of t along dim, a row each."""
    width = math.prod(n for d, n in enumerate(t.shape) if d != dim)
    if t.shape[dim] == 0 and width == 0:
        raise RuntimeError("unique: the tensor has no elements along several dims")
    return t.movedim(dim, 0).reshape(t.shape[dim], width)


def _slices_in_order(input, dim):
    """The positions of input's slices along dim in the order of their elements."""
    rows = _rows(input, dim).tolist()
    return fl.tensor(sorted(range(len(rows)), key=rows.__getitem__), dtype=fl.int64)


def _slice_changes(values, dim):
    """Whether each slice along dim differs from the one before it."""
    rows = _rows(values, dim)
    changes = (rows[1:] != rows[:-1]).any(1)
    return _C.cat([fl.ones(min(1, rows.shape[0]), dtype=fl.bool), changes])


def _runs(values, first, order, dim, return_inverse, return_counts):
    starts = _C.nonzero(first).flatten()
    results = [values.index_select(dim, starts)]
    if return_inverse:
        number = _C.cumsum(first, 0) - 1
        results.append(fl.empty_like(number).index_copy_(0, order, number))
    if return_counts:
        ends = _C.cat([starts[1:], fl.tensor([first.shape[0]])[: starts.shape[0]]])
        results.append(ends - starts)
    return tuple(results) if len(results) > 1 else results[0]


def isin(elements, test_elements, *, assume_unique=False, invert=False):
    """Whether each element is among test_elements: bool, as elements (source: torch.isin)."""
    if not isinstance(elements, _C.Tensor):
        elements = fl.tensor(elements)
    if not isinstance(test_elements, _C.Tensor):
        test_elements = fl.tensor(test_elements)
    for t in (elements, test_elements):
        if t.dtype == fl.bool:
            raise RuntimeError("Unsupported input type encountered for isin(): Bool")
    known = test_elements.flatten()
    if known.is_floating_point():
        known = known[known == known]  # NaN is like nothing
    if known.numel() == 0:
        return fl.full(elements.shape, bool(invert), dtype=fl.bool)
    dtype = fl.promote_types(elements.dtype, known.dtype)
    known, wanted = _C.sort(known.to(dtype))[0], elements.to(dtype)
    at = _C.searchsorted(known, wanted).clamp(max=known.numel() - 1)
    return (known[at] == wanted) != bool(invert)
