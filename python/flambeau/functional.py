"""Operators of torch.* that are compositions of others, and the Python names over internal ones.

flambeau.NAME and Tensor.NAME come here when they are first touched. Everything here is
differentiable where what it is made of is.
"""

import itertools
import math

import flambeau as fl
from flambeau import _C

_Tensor = _C.Tensor


def _several(tensors):
    """The tensors of f(a, b, ...) or f([a, b, ...])."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        return tuple(tensors[0])
    return tensors


def _wrap(dim, ndim):
    """dim counted from the front; IndexError when there is none such."""
    bound = max(ndim, 1)
    if not -bound <= dim < bound:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-bound}, {bound - 1}], "
            f"but got {dim})"
        )
    return dim % bound


# ---- shapes ----


def broadcast_tensors(*tensors):
    """The tensors expanded to their common shape (source: torch.broadcast_tensors)."""
    return _C.broadcast_tensors(list(_several(tensors)))


def atleast_1d(*tensors):
    """The tensor, or each of several, with one dim at least (source: torch.atleast_1d)."""
    return _each(_C.atleast_1d, tensors)


def atleast_2d(*tensors):
    """The tensor, or each of several, with two dims at least (source: torch.atleast_2d)."""
    return _each(_C.atleast_2d, tensors)


def atleast_3d(*tensors):
    """The tensor, or each of several, with three dims at least (source: torch.atleast_3d)."""
    return _each(_C.atleast_3d, tensors)


def _each(function, tensors):
    if len(tensors) == 1 and isinstance(tensors[0], _Tensor):
        return function(tensors[0])
    return tuple(function(t) for t in _several(tensors))


def meshgrid(*tensors, indexing="ij"):
    """The coordinates of a grid made by vectors (source: torch.meshgrid)."""
    return _C.meshgrid(list(_several(tensors)), indexing=indexing)


def nonzero(input, *, as_tuple=False):
    """The positions of the elements that are not zero: (n, input.dim()) int64, or as_tuple a
    vector for each dim (source: torch.nonzero)."""
    return _C.where(input) if as_tuple else _C.nonzero(input)


def nonzero_static(input, *, size, fill_value=-1):
    """nonzero, cut or filled with fill_value to `size` rows (source: torch.nonzero_static)."""
    if size < 0:
        raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
    found = _C.nonzero(input)[:size]
    rest = _C.full((size - found.shape[0], input.dim()), fill_value, dtype=fl.int64)
    return _C.cat([found, rest])


def block_diag(*tensors):
    """A matrix with the matrices on its diagonal, zeros elsewhere (source: torch.block_diag)."""
    blocks = [_C.atleast_2d(t) for t in tensors] or [fl.empty(1, 0)]
    for block in blocks:
        if block.dim() != 2:
            raise RuntimeError("block_diag: Input tensors must have 2 or fewer dimensions")
    dtype = blocks[0].dtype
    for block in blocks[1:]:
        dtype = fl.promote_types(dtype, block.dtype)
    width, at, rows = sum(b.shape[1] for b in blocks), 0, []
    for block in blocks:
        height, own = block.shape
        left = fl.zeros(height, at, dtype=dtype)
        right = fl.zeros(height, width - at - own, dtype=dtype)
        rows.append(_C.cat([left, block.to(dtype), right], 1))
        at += own
    return _C.cat(rows, 0)


def cartesian_prod(*tensors):
    """All tuples of one element of each vector, as rows (source: torch.cartesian_prod)."""
    if len(tensors) == 1:
        return tensors[0]
    return _C.stack([t.flatten() for t in meshgrid(*tensors)], 1)


def combinations(input, r=2, with_replacement=False):
    """All choices of r elements of a vector, as rows (source: torch.combinations)."""
    if input.dim() != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    if r == 0:
        return input.new_empty((0,))
    rows = list(choose(range(input.shape[0]), r))
    return input[fl.tensor(rows, dtype=fl.int64).reshape(len(rows), r)]


def unravel_index(indices, shape):
    """The coordinates, a tensor for each dim, of positions in a shape (source:
    torch.unravel_index)."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if indices.is_floating_point() or indices.dtype == fl.bool:
        raise ValueError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    if any(size < 0 for size in shape):
        raise ValueError("'shape' cannot have negative values")
    coordinates, left = [], indices.to(fl.int64)
    for size in reversed(shape):
        coordinates.append(left % size)
        left = _C.floor_divide(left, size)
    return tuple(reversed(coordinates))


def _of_dim(name, least):
    def split(input, indices_or_sections):
        if input.dim() < least:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {least} dimension, but got a "
                f"tensor with {input.dim()} dimensions!"
            )
        dim = {"hsplit": min(input.dim() - 1, 1), "vsplit": 0, "dsplit": 2}[name]
        if isinstance(indices_or_sections, int) and (
            indices_or_sections <= 0 or input.shape[dim] % indices_or_sections
        ):
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {dim}, but the size of the "
                f"dimension {input.shape[dim]} is not divisible by the split_size "
                f"{indices_or_sections}!"
            )
        return _C.tensor_split(input, indices_or_sections, dim)

    split.__name__ = split.__qualname__ = name
    split.__doc__ = f"tensor_split along the dim that {name} means (source: torch.{name})."
    return split


hsplit, vsplit, dsplit = _of_dim("hsplit", 1), _of_dim("vsplit", 2), _of_dim("dsplit", 3)


def _copying(name, view):
    def copy(*args, **kwargs):
        result = view(*args, **kwargs)
        if isinstance(result, _Tensor):
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
    globals()[_name + "_copy"] = _copying(_name + "_copy", getattr(_Tensor, _name))
alias_copy = _copying("alias_copy", lambda input: input)
narrow_copy = _copying("narrow_copy", _Tensor.narrow)
unsafe_split = _copying("unsafe_split", _Tensor.split)
unsafe_chunk = _copying("unsafe_chunk", _Tensor.chunk)


def _slice(t, dim, start, end, step):
    return t[(slice(None),) * _wrap(dim, t.dim()) + (slice(start, end, step),)]


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
    return _scattering(input, src, lambda t: _slice(t, dim, start, end, step))


def as_strided_scatter(input, src, size, stride, storage_offset=None):
    """A copy of input with src where as_strided shows it (source: torch.as_strided_scatter)."""
    return _scattering(input, src, lambda t: t.as_strided(size, stride, storage_offset))


# ---- sets ----


def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The distinct elements in order, or the distinct slices along dim; on request with the number
    of each element's (int64, as input) and how often each stands (source: torch.unique)."""
    if dim is None:
        flat = input.flatten()
        values, order = _C.sort(flat, stable=True)
        changes = values[1:] != values[:-1]
        first = _C.cat([fl.ones(min(1, flat.shape[0]), dtype=fl.bool), changes])
        shape = input.shape
    else:
        dim = _wrap(dim, input.dim())
        order = _slices_in_order(input, dim)
        values = input.index_select(dim, order)
        first, shape = _slice_changes(values, dim), (input.shape[dim],)
    return _runs(values, first, order, shape, dim or 0, return_inverse, return_counts)


def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """unique, among neighbours alone and without sorting (source: torch.unique_consecutive)."""
    if dim is None:
        values, at = input.flatten(), 0
        changes = values[1:] != values[:-1]
        first = _C.cat([fl.ones(min(1, values.shape[0]), dtype=fl.bool), changes])
        shape = input.shape
    else:
        at = _wrap(dim, input.dim())
        values, first, shape = input, _slice_changes(input, at), (input.shape[at],)
    order = fl.arange(first.shape[0])
    return _runs(values, first, order, shape, at, return_inverse, return_counts)


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


def _runs(values, first, order, shape, dim, return_inverse, return_counts):
    starts = _C.nonzero(first).flatten()
    results = [values.index_select(dim, starts)]
    if return_inverse:
        number = _C.cumsum(first, 0) - 1
        results.append(fl.empty_like(number).index_copy_(0, order, number).reshape(shape))
    if return_counts:
        ends = _C.cat([starts[1:], fl.tensor([first.shape[0]])[: starts.shape[0]]])
        results.append(ends - starts)
    return tuple(results) if len(results) > 1 else results[0]


def isin(elements, test_elements, *, assume_unique=False, invert=False):
    """Whether each element is among test_elements: bool, as elements (source: torch.isin)."""
    if not isinstance(elements, _Tensor):
        elements = fl.tensor(elements)
    if not isinstance(test_elements, _Tensor):
        test_elements = fl.tensor(test_elements)
    known = test_elements.flatten()
    if known.numel() == 0:
        return fl.full(elements.shape, bool(invert), dtype=fl.bool)
    dtype = fl.promote_types(elements.dtype, known.dtype)
    dtype = fl.int64 if dtype == fl.bool else dtype
    known, wanted = _C.sort(known.to(dtype))[0], elements.to(dtype)
    at = _C.searchsorted(known, wanted).clamp(max=known.numel() - 1)
    return (known[at] == wanted) != bool(invert)


# ---- scatter ----


def _reduced(self, number, size, src, reduce, include_self):
    """self, seen as a row, with the elements of src (a row) reduced into the positions `number`."""
    hits = fl.zeros(size, dtype=fl.int64).index_add_(0, number, fl.ones_like(number))
    touched = hits > 0
    name = reduce
    if name not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    if name in ("sum", "mean"):
        base = self if include_self else self.masked_fill(touched, 0)
        total = base.index_add(0, number, src)
        if name == "sum":
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
    fill = 1 if name == "prod" else _least(self.dtype) if name == "amax" else _greatest(self.dtype)
    if not include_self:
        own = own.masked_fill(touched.unsqueeze(1), fill)
    rest = fl.full((size * (columns - 1),), fill, dtype=self.dtype)
    rest = rest.index_copy(0, number * (columns - 1) + among, src).reshape(size, columns - 1)
    table = _C.cat([own, rest], 1)
    if name == "prod":
        return table.prod(1).to(self.dtype)
    return table.amax(1) if name == "amax" else table.amin(1)


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
    dim = _wrap(dim, input.dim())
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
    dim = _wrap(dim, input.dim())
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


def put(input, index, source, accumulate=False):
    """A copy of input with source written (or added) at positions in input seen as one row
    (source: torch.put)."""
    if index.numel() != source.numel():
        raise IndexError(
            f"put_(): Expected source and index to have the same number of elements, but got "
            f"source.numel() = {source.numel()}, index.numel() = {index.numel()}"
        )
    if index.dtype != fl.int64:
        raise IndexError(f"put_(): Expected a long tensor for index, but got {index.dtype}")
    if source.dtype != input.dtype:
        raise RuntimeError("put_(): self and source expected to have the same dtype")
    row = input.reshape(-1)
    return _C.index_put(row, [index.reshape(-1)], source.reshape(-1), accumulate).reshape(
        input.shape
    )


def _inplace(function):
    def write(self, *args, **kwargs):
        return self.copy_(function(self, *args, **kwargs))

    write.__name__ = write.__qualname__ = function.__name__ + "_"
    write.__doc__ = f"{function.__name__}, written into self."
    return write


scatter_reduce_, index_reduce_, put_ = map(_inplace, (scatter_reduce, index_reduce, put))


# ---- sums of products ----


def trace(input):
    """The sum of a matrix's diagonal (source: torch.trace)."""
    if input.dim() != 2:
        raise RuntimeError("trace: expected a matrix, but got tensor with dim " + str(input.dim()))
    return input.diagonal().sum()


def kron(input, other):
    """The Kronecker product (source: torch.kron)."""
    ndim = max(input.dim(), other.dim())
    a = input.reshape((1,) * (ndim - input.dim()) + tuple(input.shape))
    b = other.reshape((1,) * (ndim - other.dim()) + tuple(other.shape))
    sizes = [m * n for m, n in zip(a.shape, b.shape)]
    wide_a = [k for n in a.shape for k in (n, 1)]
    wide_b = [k for n in b.shape for k in (1, n)]
    return (a.reshape(wide_a) * b.reshape(wide_b)).reshape(sizes)


def tensordot(a, b, dims=2):
    """The sum of products over several dims of each (source: torch.tensordot). dims: how many of
    a's last and b's first, or two lists."""
    if isinstance(dims, _Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.dim(), b.dim()):
            raise RuntimeError(
                f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}"
            )
        dims = list(range(a.dim() - dims, a.dim())), list(range(dims))
    of_a = [_wrap(d, a.dim()) for d in dims[0]]
    of_b = [_wrap(d, b.dim()) for d in dims[1]]
    if len(of_a) != len(of_b):
        raise RuntimeError("both dimension lists should have same length")
    for i, j in zip(of_a, of_b):
        if a.shape[i] != b.shape[j] and a.shape[i] != 1 and b.shape[j] != 1:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a.shape[i]} in dim {i} "
                f"and second has size {b.shape[j]} in dim {j}"
            )
        if a.shape[i] == 1 != b.shape[j]:
            b = b.sum(j, keepdim=True)
        elif b.shape[j] == 1 != a.shape[i]:
            a = a.sum(i, keepdim=True)
    keep_a = [d for d in range(a.dim()) if d not in of_a]
    keep_b = [d for d in range(b.dim()) if d not in of_b]
    inner = math.prod(a.shape[d] for d in of_a)
    rows, columns = (math.prod(t.shape[d] for d in k) for t, k in ((a, keep_a), (b, keep_b)))
    left = a.permute(keep_a + of_a).reshape(rows, inner)
    right = b.permute(of_b + keep_b).reshape(inner, columns)
    return (left @ right).reshape([a.shape[d] for d in keep_a] + [b.shape[d] for d in keep_b])


def einsum(equation, *operands):
    """Sums of products named by letters, 'ij,jk->ik', '...' standing for dims that are broadcast
    (source: torch.einsum). Operands are taken from left to right, two at a time, by bmm."""
    if not isinstance(equation, str):
        equation, operands = _equation((equation,) + operands)
    operands = list(_several(operands))
    if not operands:
        raise ValueError("einsum(): must provide at least one operand")
    arrow, (inputs, output) = "->" in equation, (equation.split("->") + [""])[:2]
    names = [part.replace(" ", "") for part in inputs.split(",")]
    if len(names) != len(operands):
        raise RuntimeError(
            f"einsum(): the number of subscripts in the equation ({len(names)}) does not match the "
            f"number of operands ({len(operands)})"
        )
    labels, ellipsis = [], 0
    for term, t in zip(names, operands):
        before, dots, after = term.partition("...")
        if not (before + after).isalpha() and before + after:
            raise RuntimeError(f"einsum(): {term!r} has a subscript that is not in [a-zA-Z]")
        spare = t.dim() - len(before + after)
        if spare < 0 or (spare and not dots):
            raise RuntimeError(
                f"einsum(): the number of subscripts in {term!r} does not match the number of "
                f"dimensions ({t.dim()})"
            )
        ellipsis = max(ellipsis, spare)
        labels.append([*before, *range(-spare, 0), *after])
    wide = list(range(-ellipsis, 0))
    if arrow:
        before, dots, after = output.replace(" ", "").partition("...")
        result = [*before, *(wide if dots else []), *after]
    else:
        letters = [x for own in labels for x in own if isinstance(x, str)]
        result = wide + sorted(x for x in set(letters) if letters.count(x) == 1)
    if len(set(result)) != len(result):
        raise RuntimeError("einsum(): an output subscript appears more than once in the output")
    unknown = set(result) - {x for own in labels for x in own}
    if unknown:
        raise RuntimeError(
            f"einsum(): output subscript {sorted(map(str, unknown))[0]} does not appear in the "
            "equation for any input operand"
        )
    sizes = {}
    pairs = [_diagonals(t, own) for t, own in zip(operands, labels)]
    for t, own in pairs:
        for name, size in zip(own, t.shape):
            if sizes.setdefault(name, size) == 1:
                sizes[name] = size
            elif size not in (1, sizes[name]):
                raise RuntimeError(
                    f"einsum(): operands do not broadcast with remapped shapes: {name} has sizes "
                    f"{sizes[name]} and {size}"
                )
    t, own = pairs[0]
    for i, (other, its) in enumerate(pairs[1:], 1):
        later = {x for _, names in pairs[i + 1 :] for x in names} | set(result)
        t, own = _contract(t, own, other, its, later)
    gone = [d for d, name in enumerate(own) if name not in result]
    t = t.sum(gone) if gone else t
    own = [name for name in own if name in result]
    return t.permute([own.index(name) for name in result])


def _equation(args):
    """The form einsum(a, [0, 1], b, [1, 2], [0, 2]) as an equation and its operands."""
    def letter(i):
        return "..." if i is Ellipsis else chr(ord("A") + i if i < 26 else ord("a") + i - 26)

    operands, lists = args[: len(args) // 2 * 2 : 2], args[1::2]
    text = ",".join("".join(map(letter, one)) for one in lists)
    if len(args) % 2:
        text += "->" + "".join(map(letter, args[-1]))
    return text, operands


def _diagonals(t, names):
    """t with each name once: a name that stands twice means a diagonal."""
    names = list(names)
    for name in set(names):
        while names.count(name) > 1:
            i = names.index(name)
            j = names.index(name, i + 1)
            if t.shape[i] != t.shape[j]:
                raise RuntimeError(
                    f"einsum(): subscript {name} is repeated but the sizes don't match, "
                    f"{t.shape[j]} != {t.shape[i]}"
                )
            t = t.diagonal(0, i, j)
            names = [n for k, n in enumerate(names) if k not in (i, j)] + [name]
    return t, names


def _contract(a, of_a, b, of_b, later):
    """The product of a and b, summed over the names that nothing later needs: (tensor, names)."""
    summed = []
    for t, own, others in ((a, of_a, of_b), (b, of_b, of_a)):
        drop = [d for d, n in enumerate(own) if n not in others and n not in later]
        t = t.sum(drop) if drop else t
        summed.append((t, [n for d, n in enumerate(own) if d not in drop]))
    (a, of_a), (b, of_b) = summed
    both = [n for n in of_a if n in of_b]
    size_a, size_b = dict(zip(of_a, a.shape)), dict(zip(of_b, b.shape))
    for n in both:  # a size of 1 is broadcast
        size_a[n] = size_b[n] = max(size_a[n], size_b[n]) if 0 not in (size_a[n], size_b[n]) else 0
    batch = [n for n in both if n in later]
    inner = [n for n in both if n not in later]
    left = [n for n in of_a if n not in both]
    right = [n for n in of_b if n not in both]

    def three(t, own, size, order, shape):
        t = t.expand([size[n] for n in own]).permute([own.index(n) for n in order])
        return t.reshape(shape)

    n_batch, n_inner = (math.prod(size_a[n] for n in k) for k in (batch, inner))
    n_left = math.prod(size_a[n] for n in left)
    n_right = math.prod(size_b[n] for n in right)
    x = three(a, of_a, size_a, batch + left + inner, [n_batch, n_left, n_inner])
    y = three(b, of_b, size_b, batch + inner + right, [n_batch, n_inner, n_right])
    names = batch + left + right
    return _C.bmm(x, y).reshape([{**size_b, **size_a}[n] for n in names]), names


def cross(input, other, *, dim=None):
    """The cross product along a dim of size 3 (source: torch.cross). Without dim the first of that
    size."""
    if dim is None:
        fitting = [d for d, n in enumerate(input.shape) if n == 3]
        if not fitting:
            raise RuntimeError("no dimension of size 3 in input")
        dim = fitting[0]
    input, other = _C.broadcast_tensors([input, other])
    dim = _wrap(dim, input.dim())
    if input.shape[dim] != 3:
        raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3.")
    a, b = input.unbind(dim), other.unbind(dim)
    parts = [a[(i + 1) % 3] * b[(i + 2) % 3] - a[(i + 2) % 3] * b[(i + 1) % 3] for i in range(3)]
    return _C.stack(parts, dim)


# ---- differences and areas ----


def diff(input, n=1, dim=-1, prepend=None, append=None):
    """Differences of neighbours along a dim, n times (source: torch.diff)."""
    if input.dim() == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    dim = _wrap(dim, input.dim())
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
        after, before = _slice(t, dim, 1, None, 1), _slice(t, dim, None, -1, 1)
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
    dim = _wrap(dim, y.dim())
    if y.dtype == fl.bool or (x is not None and x.dtype == fl.bool):
        raise RuntimeError("trapezoid: bool is not supported for `x` or `y`")
    middle = _slice(y, dim, 1, None, 1) + _slice(y, dim, None, -1, 1)
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


# ---- statistics ----


def quantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """The q-quantiles (a number or a vector of them) along a dim, or of all elements; NaN where
    there is one (source: torch.quantile)."""
    return _quantile(input, q, dim, keepdim, interpolation, False)


def nanquantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """quantile of the elements that are not NaN (source: torch.nanquantile)."""
    return _quantile(input, q, dim, keepdim, interpolation, True)


def _quantile(input, q, dim, keepdim, interpolation, skip):
    if input.dtype not in (fl.float32, fl.float64):
        raise RuntimeError("quantile() input tensor must be either float or double dtype")
    if not isinstance(q, _Tensor):
        if not 0 <= q <= 1:
            raise RuntimeError(f"quantile() q must be in the range [0, 1] but got {q}")
        q = fl.tensor(q, dtype=input.dtype)
    if q.dim() > 1:
        raise RuntimeError("quantile() q must be a scalar or 1D tensor")
    if q.dtype != input.dtype:
        raise RuntimeError("quantile() q tensor must be same dtype as the input tensor")
    if not ((q >= 0) & (q <= 1)).all():
        raise RuntimeError("quantile() q values must be in the range [0, 1]")
    if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise RuntimeError(
            "quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, "
            f"but got {interpolation}"
        )
    if input.numel() == 0:
        raise RuntimeError("quantile() input tensor must be non-empty")
    ndim = input.dim()
    if dim is None:
        lines = input.reshape(-1)
    else:
        lines = (input.reshape(1) if ndim == 0 else input).movedim(_wrap(dim, ndim), -1)
    lines = lines.sort(-1)[0]
    bad = lines.isnan()
    count = (~bad).sum(-1, keepdim=True) if skip else fl.full((1,), lines.shape[-1])
    wanted = q.reshape(-1)
    rank = wanted * (count - 1).clamp(min=0).to(input.dtype)
    if not skip:
        rank = _C.where(bad.any(-1, keepdim=True), rank.new_full((1,), lines.shape[-1] - 1.0), rank)
    if interpolation == "lower":
        rank = rank.floor()
    elif interpolation == "higher":
        rank = rank.ceil()
    elif interpolation == "nearest":
        rank = rank.round()
    low = rank.floor()
    shape = list(lines.shape[:-1]) + [wanted.shape[0]]
    result = lines.gather(-1, low.to(fl.int64).expand(shape))
    if interpolation in ("linear", "midpoint"):
        weight = fl.full_like(rank, 0.5) if interpolation == "midpoint" else rank - low
        above = lines.gather(-1, rank.ceil().to(fl.int64).expand(shape))
        result = _C.lerp(result, above, weight.expand(shape))
    result = result.movedim(-1, 0)
    if keepdim and ndim:
        if dim is None:
            result = result.reshape([-1] + [1] * ndim)
        else:
            result = result.unsqueeze(_wrap(dim, ndim) + 1)
    elif ndim == 0 or dim is None:
        result = result.reshape(-1)
    return result if q.dim() else result.squeeze(0)


def nanmedian(input, dim=None, keepdim=False):
    """The lower median of the elements that are not NaN; along a dim with its position (source:
    torch.nanmedian)."""
    if dim is None:
        flat = input.flatten()
        if not input.is_floating_point() or flat.numel() == 0:
            return _C.median(input)
        kept = flat[~flat.isnan()]
        return _C.median(kept) if kept.numel() else _C.median(flat)
    if not input.is_floating_point() or input.dim() == 0:
        return _C.median(input, dim, keepdim)
    values, order = _C.sort(input, dim=dim, stable=True)
    count = (~values.isnan()).sum(dim, keepdim=True)
    middle = _C.floor_divide((count - 1).clamp(min=0), 2)
    at = order.gather(dim, middle)
    best = input.gather(dim, at)
    return (best, at) if keepdim else (best.squeeze(dim), at.squeeze(dim))


def histc(input, bins=100, min=0, max=0):
    """How many elements fall in each of `bins` equal parts of [min, max], or of the span of the
    elements where both are 0 (source: torch.histc)."""
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins}")
    flat = input.flatten().detach()
    if min == max and flat.numel():
        min, max = flat.min().item(), flat.max().item()
    if min == max:
        min, max = min - 1, max + 1
    if not (math.isfinite(min) and math.isfinite(max)):
        raise RuntimeError(f"torch.histc: range of [{min}, {max}] is not finite")
    if min > max:
        raise RuntimeError("torch.histc: max must be larger than min")
    flat = flat[(flat >= min) & (flat <= max)].to(fl.float64)
    part = ((flat - min) * (bins / (max - min))).to(fl.int64).clamp(max=bins - 1)
    return _C.bincount(part, minlength=bins).to(input.dtype)


def cov(input, *, correction=1, fweights=None, aweights=None):
    """The covariance matrix of the rows (source: torch.cov)."""
    if input.dim() > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got {input.dim()}"
        )
    if input.dtype == fl.bool:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    rows = input.reshape(1, -1) if input.dim() < 2 else input
    for name, w in (("fweights", fweights), ("aweights", aweights)):
        if w is None:
            continue
        if w.dim() > 1 or w.numel() != rows.shape[1]:
            raise RuntimeError(f"cov(): expected {name} to be a vector, one for each observation")
        if w.is_floating_point() != (name == "aweights"):
            raise RuntimeError(f"cov(): {name} has the wrong kind of dtype, {w.dtype}")
        if (w < 0).any():
            raise RuntimeError(f"cov(): {name} cannot be negative")
    if fweights is not None and aweights is not None:
        w = fweights * aweights
    else:
        w = fweights if fweights is not None else aweights
    n = rows.shape[1]
    total = w.sum() if w is not None else n
    mean = ((rows * w).sum(1) if w is not None else rows.sum(1)) / total
    norm = total - correction
    if aweights is not None and correction:
        by = w * aweights
        norm = total - correction * by.sum() / total
    centered = rows - mean.unsqueeze(1)
    norm = norm.clamp(min=0) if isinstance(norm, _Tensor) else max(norm, 0)
    result = centered @ (centered * w if w is not None else centered).t() / norm
    return result.squeeze()


def corrcoef(input):
    """The correlation coefficients of the rows (source: torch.corrcoef)."""
    c = cov(input)
    if c.dim() == 0:
        return c / c
    d = c.diagonal().sqrt()
    return (c / d.unsqueeze(1) / d.unsqueeze(0)).clip(-1, 1)


# ---- distances ----


def _p_norm(t, p, dim):
    """The p-norm along dim, with a gradient of 0 where it is 0."""
    size = t.abs()
    if p == 0:
        return (t != 0).to(t.dtype).sum(dim) + (t * 0).sum(dim)
    if p == 1:
        return size.sum(dim)
    if p == math.inf:
        return size.amax(dim)
    total = (size * size if p == 2 else size**p).sum(dim)
    zero = total == 0
    safe = _C.where(zero, 1.0, total)
    return _C.where(zero, total, safe.sqrt() if p == 2 else safe ** (1.0 / p))


def dist(input, other, p=2):
    """The p-norm of input - other (source: torch.dist)."""
    return _C.norm(input - other, p)


def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """The p-norm distances between the rows of x1 (.., P, M) and of x2 (.., R, M): (.., P, R)
    (source: torch.cdist)."""
    if x1.dim() < 2 or x2.dim() < 2:
        raise RuntimeError("cdist only supports at least 2D tensors")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError("X1 and X2 must have the same number of columns.")
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    gap = x1.unsqueeze(-2) - x2.unsqueeze(-3)
    return _p_norm(gap, p, -1) if gap.shape[-1] else gap.sum(-1)


def pdist(input, p=2.0):
    """The p-norm distances of all pairs of rows (source: torch.nn.functional.pdist)."""
    if input.dim() != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.dim()}D")
    n = input.shape[0]
    upper = fl.triu_indices(n, n, 1)
    return _p_norm(input[upper[0]] - input[upper[1]], p, -1)


def renorm(input, p, dim, maxnorm):
    """input with those slices along dim whose p-norm is greater than maxnorm scaled down to it
    (source: torch.renorm)."""
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if input.dim() < 2:
        raise RuntimeError("renorm: input needs at least 2 dimensions")
    dim = _wrap(dim, input.dim())
    others = [d for d in range(input.dim()) if d != dim]
    size = _C.norm(input, p, others, True)
    return input * _C.where(size > maxnorm, maxnorm / (size + 1e-7), 1.0).to(input.dtype)
