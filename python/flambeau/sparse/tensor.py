"""Sparse tensors: a Tensor subclass that holds places and values.

What computes is in C: the products (src/ops/sparse) and what is composed here of dense operators on
indices and values, through which gradients of the values go. The handle underneath has the sizes and
dtype and no elements of its own; a call of an operator that is not written here refuses by name.
"""

import re

import flambeau
from flambeau import _C
from flambeau._tensor_str import PRINT_OPTS
from flambeau._utils import _rebuild_sparse_tensor

Tensor = _C.Tensor
_plain = _C.DisableTorchFunctionSubclass


def _refusal(name, layout="SparseCPU"):
    return NotImplementedError(
        f"Could not run 'aten::{name}' with arguments from the '{layout}' backend: Flambeau has no "
        f"sparse form of {name}; make the tensor dense first, with to_dense()"
    )


def _linear(indices, sizes):
    """The place of each entry among the elements of the sparse dims, counted row by row."""
    place = indices.new_zeros(indices.shape[1])
    for row, size in zip(indices, sizes):
        place = place * size + row
    return place


class SparseTensor(Tensor):
    """A tensor of layout sparse_coo or sparse_csr.

    _i: indices (sparse dims, entries), int64; _v: values (entries, dense dims...); entries at one
    place add. A sparse_csr tensor has its entries row by row.
    """

    @classmethod
    def _make(cls, indices, values, size, coalesced=False, layout=flambeau.sparse_coo):
        with _plain():
            handle = values.detach().new_zeros(()).expand(tuple(size)).as_subclass(cls)
        _C._keep_in_object(handle)
        handle._i, handle._v = indices, values
        handle._is_coalesced, handle._layout = coalesced, layout
        return handle

    def _like(self, values, indices=None, size=None):
        """A tensor with these values, and self's places where none are given."""
        same = indices is None
        return self._make(
            self._i if same else indices,
            values,
            self.shape if size is None else size,
            same and self._is_coalesced,
            self._layout if same else flambeau.sparse_coo,
        )

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        if name == "__get__":
            name = func.__self__.__name__
            if name in _ATTRIBUTES:
                with _plain():
                    return func(*args, **(kwargs or {}))
        name = _OTHER_NAMES.get(name, name)
        method = cls.__dict__.get(name)
        if name in _OF_LISTS:
            return _OF_LISTS[name](*args, **(kwargs or {}))
        if name in _WITH_DENSE and not isinstance(args[0], SparseTensor):
            return _WITH_DENSE[name](*args, **(kwargs or {}))
        if method is None or not isinstance(args[0], SparseTensor):
            raise _refusal(name, "SparseCsrCPU" if _is_csr(args) else "SparseCPU")
        if isinstance(method, property):
            return method.fget(args[0])
        return method(*args, **(kwargs or {}))

    # ---- what it is ----

    is_sparse = property(lambda self: self._layout is flambeau.sparse_coo)
    is_sparse_csr = property(lambda self: self._layout is flambeau.sparse_csr)
    layout = property(lambda self: self._layout)
    requires_grad = property(
        lambda self: self._v.requires_grad, lambda self, on: self.requires_grad_(on) and None
    )
    is_leaf = property(lambda self: self._v.is_leaf)
    grad_fn = property(lambda self: self._v.grad_fn)

    @property
    def grad(self):
        """The gradient, at self's places."""
        values = self._v.grad
        if values is None or self._is_coalesced:
            return None if values is None else self._like(values)
        places, inverse = _unique(_linear(self._i, self.shape[: self._i.shape[0]]))
        entry = inverse.new_zeros(len(places)).scatter_(0, inverse, _C.arange(len(inverse)))
        return self._make(self._i[:, entry], values[entry], self.shape, True)

    @grad.setter
    def grad(self, grad):
        self._v.grad = None if grad is None else grad.coalesce()._v

    def requires_grad_(self, requires_grad=True):
        self._v.requires_grad_(requires_grad)
        return self

    def sparse_dim(self):
        return self._i.shape[0]

    def dense_dim(self):
        return self._v.ndim - 1

    def _nnz(self):
        return self._v.shape[0]

    def is_coalesced(self):
        self._need_coo("is_coalesced")
        return self._is_coalesced

    def _indices(self):
        self._need_coo("_indices")
        return self._i

    def _values(self):
        self._need_coo("_values")
        return self._v

    def _need_coo(self, name):
        if self._layout is not flambeau.sparse_coo:
            raise _refusal(name, "SparseCsrCPU")

    def _need_coalesced(self, what):
        if not self._is_coalesced:
            raise RuntimeError(
                f"Cannot get {what} on an uncoalesced tensor, please call .coalesce() first"
            )

    def indices(self):
        self._need_coo("indices")
        self._need_coalesced("indices")
        return self._i

    def values(self):
        if self._layout is flambeau.sparse_coo:
            self._need_coalesced("values")
        return self._v

    def _need_csr(self, name):
        if self._layout is not flambeau.sparse_csr:
            raise RuntimeError(
                f"{name} expected sparse row compressed tensor layout but got Sparse"
            )

    def crow_indices(self):
        self._need_csr("crow_indices")
        counts = _C.bincount(self._i[0], minlength=self.shape[0])
        return _C.cat([counts.new_zeros(1), counts.cumsum(0)])

    def col_indices(self):
        self._need_csr("col_indices")
        return self._i[1]

    # ---- forms ----

    def coalesce(self):
        """With places in order and each once: values at one place are added."""
        if self._is_coalesced:
            return self
        depth = self._i.shape[0]
        place = _linear(self._i, self.shape[:depth])
        once, inverse = _unique(place)
        values = self._v.new_zeros((once.shape[0], *self._v.shape[1:])).index_add(
            0, inverse, self._v
        )
        rows = []
        for size in reversed(self.shape[:depth]):
            rows.append(once % max(size, 1))
            once = _C.div(once, max(size, 1), rounding_mode="floor")
        indices = _C.stack(rows[::-1]) if rows else self._i[:, :1]
        return self._make(indices, values, self.shape, True)

    def to_dense(self, dtype=None, *, masked_grad=None):
        values = self._v if dtype is None else self._v.to(dtype)
        depth = self._i.shape[0]
        sizes = tuple(self.shape)
        rows = 1
        for size in sizes[:depth]:
            rows *= size
        flat = values.new_zeros((rows, *sizes[depth:]))
        flat = flat.index_add(0, _linear(self._i, sizes[:depth]), values)
        return flat.reshape(sizes)

    def to_sparse(self, *args, layout=None, **kwargs):
        if layout in (None, flambeau.sparse_coo):
            return self.to_sparse_coo()
        if layout is flambeau.sparse_csr:
            return self.to_sparse_csr()
        raise _refusal(f"to_sparse with layout {layout}")

    def to_sparse_coo(self):
        return self._make(self._i, self._v, self.shape, self._is_coalesced)

    def to_sparse_csr(self, dense_dim=None):
        if self.ndim != 2 or self._i.shape[0] != 2:
            raise _refusal("to_sparse_csr of other than matrices")
        c = self.coalesce()
        return self._make(c._i, c._v, self.shape, True, flambeau.sparse_csr)

    def to(self, *args, **kwargs):
        return self._like(self._v.to(*args, **kwargs))

    def clone(self, *, memory_format=None):
        return self._make(
            self._i.clone(), self._v.clone(), self.shape, self._is_coalesced, self._layout
        )

    def detach(self):
        return self._like(self._v.detach())

    def cpu(self, *args, **kwargs):
        return self

    def cuda(self, *args, **kwargs):
        return self._like(self._v.cuda(*args, **kwargs))

    def contiguous(self, *args, **kwargs):
        return self

    def backward(self, gradient=None, *args, **kwargs):
        if gradient is not None:
            gradient = gradient.to_dense().reshape(-1)[_linear(self._i, self.shape)]
        return self._v.backward(gradient, *args, **kwargs)

    def sparse_mask(self, mask):
        return self.to_dense().sparse_mask(mask)

    def size(self, dim=None):
        return self.shape if dim is None else self.shape[dim]

    def dim(self):
        return len(self.shape)

    def numel(self):
        count = 1
        for size in self.shape:
            count *= size
        return count

    def item(self):
        if self.numel() != 1:
            raise RuntimeError(
                f"a Tensor with {self.numel()} elements cannot be converted to Scalar"
            )
        return self.to_dense().item()

    def zeros_like(self, *, dtype=None, **kwargs):
        """Of the same size, without entries."""
        values = self._v.detach().new_empty((0, *self._v.shape[1:]), dtype=dtype)
        made = self._make(self._i[:, :0], values, self.shape, True)
        return made.requires_grad_(kwargs.get("requires_grad", False))

    def is_floating_point(self):
        return self._v.is_floating_point()

    def element_size(self):
        return self._v.element_size()

    def type(self, dtype=None, *args, **kwargs):
        if dtype is None:
            return self._v.type().replace("torch.", "torch.sparse.")
        return self._like(self._v.type(dtype))

    def t(self):
        if self.ndim > 2:
            raise RuntimeError(
                f"t() expects a tensor with <= 2 sparse and 0 dense dimensions, but self is "
                f"{self.ndim}D"
            )
        return self.transpose(0, 1)

    T = property(lambda self: self.t())

    def unsqueeze(self, dim):
        """With a dim of size 1: a sparse one up to the last sparse dim, else a dense one."""
        dim = _wrap(dim, self.ndim + 1)
        size = (*self.shape[:dim], 1, *self.shape[dim:])
        depth = self._i.shape[0]
        if dim > depth:
            return self._make(self._i, self._v.unsqueeze(dim - depth + 1), size)
        row = self._i.new_zeros(1, self._i.shape[1])
        return self._make(_C.cat([self._i[:dim], row, self._i[dim:]]), self._v, size)

    def transpose(self, dim0, dim1):
        depth = self._i.shape[0]
        a, b = dim0 % self.ndim, dim1 % self.ndim
        if a == b:
            return self
        if max(a, b) >= depth:
            raise _refusal("transpose of dense dims")
        order, sizes = list(range(depth)), list(self.shape)
        order[a], order[b] = b, a
        sizes[a], sizes[b] = sizes[b], sizes[a]
        return self._make(self._i[order], self._v, sizes)

    def index_select(self, dim, index):
        dim %= self.ndim
        depth = self._i.shape[0]
        sizes = list(self.shape)
        sizes[dim] = index.numel()
        if dim >= depth:
            return self._like(self._v.index_select(dim - depth + 1, index), self._i, sizes)
        wanted, entry = (index[:, None] == self._i[dim][None, :]).nonzero(as_tuple=True)
        places = self._i[:, entry].clone()
        places[dim] = wanted
        return self._make(places, self._v[entry], sizes)

    def select(self, dim, index):
        dim %= self.ndim
        size = self.shape[dim]
        if not -size <= index < size:
            raise IndexError(
                f"select(): index {index} out of range for tensor of size {list(self.shape)} at "
                f"dimension {dim}"
            )
        depth = self._i.shape[0]
        sizes = [n for d, n in enumerate(self.shape) if d != dim]
        if dim >= depth:
            return self._make(self._i, self._v.select(dim - depth + 1, index), sizes)
        entry = (self._i[dim] == index % size).nonzero().flatten()
        places = self._i[[d for d in range(depth) if d != dim]][:, entry]
        if depth == 1:
            return self._v[entry].sum(0)
        return self._make(places, self._v[entry], sizes)

    def __getitem__(self, key):
        keys = key if isinstance(key, tuple) else (key,)
        if not all(isinstance(k, int) for k in keys):
            raise _refusal("__getitem__ with other than integers")
        found = self
        for k in keys:
            found = found.select(0, k)
        return found

    def __len__(self):
        return self.shape[0]

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def numpy(self, *args, **kwargs):
        raise TypeError(
            "can't convert Sparse layout tensor to numpy. Use Tensor.to_dense() first."
        )

    # ---- arithmetic ----

    def neg(self):
        return self._like(-self._v)

    def mul(self, other):
        if not isinstance(other, Tensor) or (other.ndim == 0 and not _is_sparse(other)):
            return self._like(self._v * other)
        if not _is_sparse(other):
            depth = self._i.shape[0]
            dense = other.expand(self.shape) if other.shape != self.shape else other
            return self._like(self._v * dense[tuple(self._i[d] for d in range(depth))])
        a, b = self.coalesce(), other.coalesce()
        depth = a._i.shape[0]
        one, two = (_linear(x._i, self.shape[:depth]) for x in (a, b))
        if b._v.shape[0] == 0 or one.numel() == 0:
            return self._make(a._i[:, :0], a._v[:0], self.shape, True)
        at = _C.searchsorted(two, one).clamp(max=two.numel() - 1)
        both = (two[at] == one).nonzero().flatten()
        return self._make(a._i[:, both], a._v[both] * b._v[at[both]], self.shape, True)

    def div(self, other, *, rounding_mode=None):
        if isinstance(other, Tensor) and (other.ndim or _is_sparse(other)):
            raise RuntimeError(
                "Sparse division requires a scalar or zero-dim dense tensor divisor (got shape "
                f"{list(other.shape)} for divisor)"
            )
        return self._like(_C.div(self._v, other, rounding_mode=rounding_mode))

    def pow(self, exponent):
        c = self.coalesce()
        return self._like(c._v**exponent, c._i)

    def add(self, other, *, alpha=1):
        if not isinstance(other, Tensor):
            raise _refusal("add of a number")
        if not _is_sparse(other):
            return other.add(self.to_dense(), alpha=alpha)
        if self.shape != other.shape:
            raise RuntimeError(
                f"add: expected sizes of 'self' and 'other' to match, but {list(self.shape)} != "
                f"{list(other.shape)}"
            )
        values = _C.cat([self._v, other._v * alpha if alpha != 1 else other._v])
        made = self._make(_C.cat([self._i, other._i], 1), values, self.shape)
        return made.coalesce() if self._is_coalesced and other._is_coalesced else made

    def sub(self, other, *, alpha=1):
        return self.add(other, alpha=-alpha) if _is_sparse(other) else self.to_dense() - other

    def rsub(self, other, *, alpha=1):
        return other - alpha * self.to_dense()

    def matmul(self, other):
        if _is_sparse(other):
            return _sparse_product(self, other)
        if other.ndim == 1:
            return self.matmul(other[:, None])[:, 0]
        return _product(self, other)

    mm = mv = sspaddmm = matmul

    def sum(self, dim=None, keepdim=False, *, dtype=None):
        values = self._v if dtype is None else self._v.to(dtype)
        if dim is None:
            return values.sum()
        dims = {d % self.ndim for d in ((dim,) if isinstance(dim, int) else dim)}
        depth = self._i.shape[0]
        dense = [d - depth + 1 for d in sorted(dims) if d >= depth]
        if dense:
            values = values.sum(dense, keepdim)
        kept = [d for d in range(depth) if d not in dims]
        if not kept:
            return values.sum(0)
        sizes = [n for d, n in enumerate(self.shape) if d not in dims]
        return self._make(self._i[kept], values, sizes).coalesce()

    def norm(self, p="fro", dim=None, keepdim=False, dtype=None):
        if dim is not None:
            raise _refusal("norm over some dims")
        return self.coalesce()._v.norm(p, dtype=dtype)

    # ---- in place ----

    def _become(self, other):
        if flambeau.is_grad_enabled() and self._v.requires_grad and self._v.is_leaf:
            raise RuntimeError(
                "a leaf Variable that requires grad is being used in an in-place operation."
            )
        self._i, self._v, self._is_coalesced = other._i, other._v, other._is_coalesced
        return self

    def zero_(self):
        return self._become(self._make(self._i[:, :0], self._v[:0], self.shape))

    def add_(self, other, *, alpha=1):
        if not _is_sparse(other):
            raise _refusal("add_ of other than a sparse tensor")
        return self._become(self.add(other, alpha=alpha))

    def mul_(self, other):
        return self._become(self.mul(other))

    def div_(self, other):
        return self._become(self.div(other))

    # ---- Python's protocols ----

    def __copy__(self):
        return self._make(self._i, self._v, self.shape, self._is_coalesced, self._layout)

    def __deepcopy__(self, memo):
        made = self.clone().detach()
        made.requires_grad_(self.requires_grad)
        memo[id(self)] = made
        return made

    def __reduce_ex__(self, protocol):
        if self.is_sparse_csr:
            data = (self.crow_indices(), self.col_indices(), self._v, self.shape)
        else:
            data = (self._i, self._v, self.shape, self._is_coalesced)
        return _rebuild_sparse_tensor, (_LayoutName(str(self._layout)), data)

    def __repr__(self, *, tensor_contents=None):
        if self._layout is flambeau.sparse_csr:
            parts = (("crow_indices", self.crow_indices()), ("col_indices", self.col_indices()))
        else:
            parts = (("indices", self._i),)
        text = "tensor(" + ",\n       ".join(
            _part_text(name, part) for name, part in (*parts, ("values", self._v.detach()))
        )
        about = [f"size={tuple(self.shape)}", f"nnz={self._v.shape[0]}"]
        if self.dtype not in (flambeau.get_default_dtype(), flambeau.int64, flambeau.bool):
            about.append(f"dtype={self.dtype}")
        about.append(f"layout={self._layout}")
        if self.grad_fn is not None:
            about.append(f"grad_fn=<{self.grad_fn.name()}>")
        elif self.requires_grad:
            about.append("requires_grad=True")
        if not self.is_sparse_csr:
            text += ",\n       " + about.pop(0)
        for part in about:
            column = len(text) - text.rfind("\n") + 1
            text += ", " if column + len(part) + 2 <= PRINT_OPTS.linewidth else ",\n       "
            text += part
        return text + ")"

    __str__ = __repr__
    __hash__ = Tensor.__hash__

    def __matmul__(self, other):
        return self.matmul(other)

    def __rmatmul__(self, other):
        return _dense_product(other, self)

    def __mul__(self, other):
        return self.mul(other)

    __rmul__ = __mul__

    def __truediv__(self, other):
        return self.div(other)

    def __add__(self, other):
        return self.add(other)

    def __radd__(self, other):
        return self.add(other)

    def __sub__(self, other):
        return self.sub(other)

    def __rsub__(self, other):
        return self.rsub(other)

    def __neg__(self):
        return self.neg()

    def __pow__(self, exponent):
        return self.pow(exponent)


def _part_text(name, part):
    """A line "indices=tensor(...)" of a sparse tensor's text."""
    head = f"{name}=tensor("
    if part.numel() == 0:
        return f"{head}[], size={tuple(part.shape)})"
    text = _C._tensor_text(part, " " * 7 + head, None)[7:]
    return re.sub(r",\s+dtype=torch\.\w+\)$", ")", text)


class _LayoutName:
    """A layout, pickled as PyTorch does: by a call that looks its name up."""

    def __init__(self, name):
        self.name = name

    def __reduce__(self):
        from flambeau.serialization import _get_layout

        return _get_layout, (self.name,)


def _is_sparse(x):
    return isinstance(x, SparseTensor)


def _is_csr(args):
    return any(isinstance(x, SparseTensor) and x.is_sparse_csr for x in args)


def _unique(place):
    return flambeau.unique(place, return_inverse=True)


# Zero stays zero, so that they work on the values, of which each place has one.
def _of_values(name):
    def method(self, *args, **kwargs):
        c = self.coalesce()
        return c._like(getattr(c._v, name)(*args, **kwargs))

    method.__name__ = name
    return method


for _name in (
    "abs asin asinh atan atanh ceil deg2rad erf erfinv expm1 floor frac log1p nan_to_num positive "
    "rad2deg relu round sgn sign sin sinh sqrt square tan tanh trunc isnan isinf"
).split():
    setattr(SparseTensor, _name, _of_values(_name))
for _name in "double float half bfloat16 int long short char byte bool".split():
    setattr(SparseTensor, _name, _of_values(_name))


def _refused(name):
    def method(self, *args, **kwargs):
        raise _refusal(name)

    method.__name__ = name
    return method


# What would look at the elements of the handle, which has none.
for _name in (
    "data_ptr storage storage_offset stride tolist untyped_storage view __array__ "
    "__bool__ __contains__ __dlpack__ __float__ __index__ __int__ __setitem__ is_contiguous"
).split():
    setattr(SparseTensor, _name, _refused(_name))
del _name

_ATTRIBUTES = frozenset("shape dtype device ndim names is_cuda is_cpu is_quantized is_meta".split())
_OTHER_NAMES = {
    "multiply": "mul",
    "true_divide": "div",
    "divide": "div",
    "subtract": "sub",
    "negative": "neg",
    "absolute": "abs",
    "spmm": "mm",
    "smm": "mm",
    "__matmul__": "matmul",
    "nelement": "numel",
    "swapaxes": "transpose",
    "swapdims": "transpose",
    "concat": "cat",
    "concatenate": "cat",
}


def _wrap(dim, ndim):
    if -ndim <= dim < ndim:
        return dim % ndim
    raise IndexError(
        f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {dim})"
    )


# ---- several of them -------------------------------------------------------------------------------


def _cat(tensors, dim=0):
    """Along a sparse dim: the places of each come after those before it."""
    first = tensors[0]
    dim = _wrap(dim, first.ndim)
    for position, t in enumerate(tensors):
        if not _is_sparse(t):
            raise RuntimeError(
                f"Concatenating sparse tensors, but a dense tensor was found at position {position}."
            )
        size = list(t.shape)
        if size[:dim] + size[dim + 1 :] != [*first.shape[:dim], *first.shape[dim + 1 :]]:
            raise RuntimeError(
                f"All tensors must have the same shape: {list(first.shape)} (except in the "
                f"concatenating dimension), but found shape: {size} at position {position}."
            )
        if dim >= t.sparse_dim() or t.sparse_dim() != first.sparse_dim() or t.is_sparse_csr:
            raise _refusal("cat along a dense dim, or of other layouts")
    places, length = [], 0
    for t in tensors:
        offset = t._i.new_zeros(t._i.shape[0], 1)
        offset[dim] = length
        places.append(t._i + offset)
        length += t.shape[dim]
    size = (*first.shape[:dim], length, *first.shape[dim + 1 :])
    return first._make(_C.cat(places, 1), _C.cat([t._v for t in tensors]), size)


def _stack(tensors, dim=0):
    return _cat([t.unsqueeze(dim) if _is_sparse(t) else t for t in tensors], dim)


_OF_LISTS = {"cat": _cat, "stack": _stack}

# ---- products --------------------------------------------------------------------------------------


def _check_product(a, b):
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise RuntimeError(
            "mat1 and mat2 shapes cannot be multiplied "
            f"({'x'.join(map(str, a.shape))} and {'x'.join(map(str, b.shape))})"
        )


def _product(sparse, dense):
    """Sparse times dense: dense."""
    if dense.ndim == 2 and dense.shape[0] != sparse.shape[1]:
        raise RuntimeError(
            f"addmm: Argument #3 (dense): Expected dim 0 size {sparse.shape[1]}, got "
            f"{dense.shape[0]}"
        )
    _check_product(sparse, dense)
    if sparse._i.shape[0] != 2:
        raise _refusal("mm with dense dims")
    return _C._sparse_product(sparse._v, sparse._i[0], sparse._i[1], dense, sparse.shape[0])


def _dense_product(dense, sparse):
    """Dense times sparse: dense."""
    if dense.ndim == 1:
        return sparse.t().matmul(dense)
    _check_product(dense, sparse)
    return _product(sparse.t(), dense.t()).t()


def _sparse_product(a, b):
    """Sparse times sparse: each entry of a meets the entries of b in its column's row."""
    _check_product(a, b)
    a, b = a.coalesce(), b.coalesce()
    counts = _C.bincount(b._i[0], minlength=b.shape[0])
    start = counts.cumsum(0) - counts
    meets = counts[a._i[1]]
    left = _C.repeat_interleave(meets)
    first = meets.cumsum(0) - meets
    right = start[a._i[1]][left] + _C.arange(left.numel()) - first[left]
    places = _C.stack([a._i[0][left], b._i[1][right]])
    sizes = (a.shape[0], b.shape[1])
    made = SparseTensor._make(places, a._v[left] * b._v[right], sizes).coalesce()
    return made.to_sparse_csr() if a.is_sparse_csr and b.is_sparse_csr else made


def _dense_add(dense, sparse, *, alpha=1):
    return dense.add(sparse.to_dense(), alpha=alpha)


def _dense_add_(dense, sparse, *, alpha=1):
    values = sparse._v if alpha == 1 else sparse._v * alpha
    return dense.index_put_(tuple(sparse._i), values, accumulate=True)


def add_gradients(a, b):
    """The sum of two gradients, of which one is sparse at least: sparse where both are."""
    return a.add(b) if _is_sparse(a) else _dense_add(a, b)


# Operators whose first argument is dense and another sparse.
_WITH_DENSE = {
    "mm": _dense_product,
    "matmul": _dense_product,
    "mv": _dense_product,
    "mul": lambda dense, sparse: sparse.mul(dense),
    "add": _dense_add,
    "add_": _dense_add_,
    "sub": lambda dense, sparse, *, alpha=1: _dense_add(dense, sparse, alpha=-alpha),
    "sparse_mask": lambda dense, mask: sparse_mask(dense, mask),
    "addmm": lambda *args, **kwargs: addmm(*args, **kwargs),
    "to_dense": lambda dense, *args, **kwargs: dense,
}


def addmm(mat, mat1, mat2, *, beta=1, alpha=1):
    """beta mat + alpha mat1 @ mat2, of a sparse mat1 (source: torch.sparse.addmm)."""
    product = mat1.matmul(mat2) if _is_sparse(mat1) else _dense_product(mat1, mat2)
    return beta * mat + alpha * product


def sparse_mask(dense, mask):
    """The elements of a dense tensor at the places of a sparse one."""
    depth = mask._i.shape[0]
    values = dense[tuple(mask._i[d] for d in range(depth))]
    return SparseTensor._make(mask._i, values, dense.shape, mask._is_coalesced, mask._layout)
