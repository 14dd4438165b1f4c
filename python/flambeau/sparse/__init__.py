"""Sparse tensors (source: torch.sparse): matrices of graphs and the like, of layout sparse_coo or
sparse_csr. See tensor.py for what they can do."""

import flambeau
from flambeau import _C
from flambeau.sparse.tensor import SparseTensor, _is_sparse, _linear, _refusal, addmm

Tensor = _C.Tensor

__all__ = ["addmm", "mm", "sum", "softmax", "log_softmax", "check_sparse_tensor_invariants"]


def sparse_coo_tensor(
    indices,
    values=None,
    size=None,
    *,
    dtype=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    check_invariants=None,
    is_coalesced=None,
):
    """A sparse tensor with values (entries, dense dims...) at indices (sparse dims, entries), or, of
    a size alone, without entries (source: torch.sparse_coo_tensor).

    size: else the smallest that holds all. RuntimeError for indices out of it.
    """
    if values is None and (size is None or isinstance(indices, (tuple, list, flambeau.Size))):
        size = tuple(indices if size is None else size)
        indices = _C.zeros((len(size), 0), dtype=flambeau.int64)
        values = _C.zeros(0, dtype=dtype)
    indices = flambeau.as_tensor(indices).to(flambeau.int64)
    values = flambeau.as_tensor(values, dtype=dtype)
    if device is not None:
        values = values.to(device)
    if indices.ndim == 1 and values.ndim == 0:
        indices, values = indices[:, None], values[None]
    if indices.ndim != 2:
        raise RuntimeError(
            f"indices must be sparse_dim x nnz, but got: {list(indices.shape)}"
        )
    if values.ndim == 0:
        values = values.expand(indices.shape[1])
    if indices.shape[1] != values.shape[0]:
        raise RuntimeError(
            "indices and values must have same nnz, but got nnz from indices: "
            f"{indices.shape[1]}, nnz from values: {values.shape[0]}"
        )
    least = indices.amax(1) + 1 if indices.shape[1] else indices.new_zeros(indices.shape[0])
    if size is None:
        size = (*least.tolist(), *values.shape[1:])
    size = tuple(size)
    if len(size) != indices.shape[0] + values.ndim - 1:
        raise RuntimeError(
            f"number of dimensions must be sparse_dim ({indices.shape[0]}) + dense_dim "
            f"({values.ndim - 1}), but got {len(size)}"
        )
    if indices.shape[1] and int(indices.min()) < 0:
        raise RuntimeError(f"found negative index {int(indices.min())} for dim "
                           f"{int(indices.amin(1).argmin())}")
    for d, (need, has) in enumerate(zip(least.tolist(), size)):
        if need > has:
            raise RuntimeError(
                f"size is inconsistent with indices: for dim {d}, size is {has} but found index "
                f"{need - 1}"
            )
    made = SparseTensor._make(indices, values, size, bool(is_coalesced))
    return made.detach().requires_grad_() if requires_grad else made


def sparse_csr_tensor(
    crow_indices,
    col_indices,
    values,
    size=None,
    *,
    dtype=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    check_invariants=None,
):
    """A sparse matrix with the values of row r at crow_indices[r] ... crow_indices[r + 1] - 1, in the
    columns col_indices (source: torch.sparse_csr_tensor)."""
    crow = flambeau.as_tensor(crow_indices).to(flambeau.int64)
    columns = flambeau.as_tensor(col_indices).to(flambeau.int64)
    values = flambeau.as_tensor(values, dtype=dtype)
    if crow.ndim != 1 or columns.ndim != 1 or values.ndim != 1:
        raise _refusal("sparse_csr_tensor of batches")
    if int(crow[0]) != 0 or int(crow[-1]) != columns.numel() or bool((crow.diff() < 0).any()):
        raise RuntimeError(
            "crow_indices must start with 0, not decrease, and end with the number of values"
        )
    rows = _C.repeat_interleave(crow.diff())
    if size is None:
        size = (crow.numel() - 1, int(columns.max()) + 1 if columns.numel() else 0)
    coo = sparse_coo_tensor(_C.stack([rows, columns]), values, size)
    made = coo.coalesce().to_sparse_csr()
    return made.detach().requires_grad_() if requires_grad else made


def _to_sparse(self, *args, layout=None, blocksize=None, dense_dim=None):
    """self as a sparse tensor (source: torch.Tensor.to_sparse); sparse_dim: how many of the first
    dims are sparse, all when left out."""
    if isinstance(self, SparseTensor):
        return self.to_sparse(*args, layout=layout)
    depth = args[0] if args else self.ndim
    if isinstance(depth, int) and not isinstance(depth, bool):
        nonzero = self.detach() != 0
        if depth < self.ndim:
            nonzero = nonzero.flatten(depth).any(-1)
        places = nonzero.nonzero().t()
        values = self[tuple(places[d] for d in range(depth))]
        made = SparseTensor._make(places, values, self.shape, True)
    else:
        raise TypeError("to_sparse(): sparse_dim must be an int")
    if layout in (None, flambeau.sparse_coo):
        return made
    return made.to_sparse(layout=layout)


def _to_sparse_csr(self, dense_dim=None):
    """self, a matrix, in the layout sparse_csr (source: torch.Tensor.to_sparse_csr)."""
    return _to_sparse(self).to_sparse_csr()


def _to_sparse_coo(self):
    """self in the layout sparse_coo (source: torch.Tensor.to_sparse_coo)."""
    return _to_sparse(self)


def _sparse_mask(self, mask):
    """The elements of self at the places of a sparse mask (source: torch.Tensor.sparse_mask)."""
    from flambeau.sparse.tensor import sparse_mask

    return sparse_mask(self, mask)


def mm(mat1, mat2, reduce=None):
    """The product of matrices, of which at least one is sparse: dense, or sparse where both are
    (source: torch.sparse.mm)."""
    if reduce is not None:
        raise _refusal("sparse.mm with reduce")
    return mat1.matmul(mat2) if _is_sparse(mat1) else _C.matmul(mat1, mat2)


spmm = mm


def sampled_addmm(input, mat1, mat2, *, beta=1.0, alpha=1.0, out=None):
    """beta input + alpha mat1 @ mat2 at the places of a sparse input (source:
    torch.sparse.sampled_addmm)."""
    dots = _C._sparse_dots(mat1, mat2.t(), input._i[0], input._i[1])
    return input._like(beta * input._v + alpha * dots)


def sum(input, dim=None, dtype=None):
    """The sum over all elements, or over dims: sparse unless all sparse dims are summed (source:
    torch.sparse.sum)."""
    return input.sum(dim, dtype=dtype)


def _softmax(input, dim, dtype, log):
    if not _is_sparse(input):
        return (_C.log_softmax if log else _C.softmax)(input, dim, dtype=dtype)
    c = input.coalesce()
    values = c._v if dtype is None else c._v.to(dtype)
    depth = c._i.shape[0]
    dim %= input.ndim
    if dim >= depth:
        made = (_C.log_softmax if log else _C.softmax)(values, dim - depth + 1)
        return c._like(made)
    others = [d for d in range(depth) if d != dim]
    group = _linear(c._i[others], [input.shape[d] for d in others])
    group = group if others else c._i[0] * 0
    _, group = flambeau.unique(group, return_inverse=True)
    count = int(group.max()) + 1 if group.numel() else 0
    shape = (count, *values.shape[1:])
    where = group.view(-1, *[1] * (values.ndim - 1)).expand(values.shape)
    top = values.new_full(shape, -float("inf")).scatter_reduce(0, where, values.detach(), "amax")
    shifted = values - top[group]
    total = values.new_zeros(shape).index_add(0, group, shifted.exp())[group]
    return c._like(shifted - total.log() if log else shifted.exp() / total)


def softmax(input, dim, *, dtype=None):
    """softmax over the entries along a dim, others counting as -inf (source: torch.sparse.softmax).
    """
    return _softmax(input, dim, dtype, False)


def log_softmax(input, dim, *, dtype=None):
    """The logarithm of softmax (source: torch.sparse.log_softmax)."""
    return _softmax(input, dim, dtype, True)


class check_sparse_tensor_invariants:
    """A context or switch; places are always checked."""

    _enabled = False

    def __init__(self, enable=True):
        self.enable_it = enable

    @staticmethod
    def is_enabled():
        return check_sparse_tensor_invariants._enabled

    @staticmethod
    def enable():
        check_sparse_tensor_invariants._enabled = True

    @staticmethod
    def disable():
        check_sparse_tensor_invariants._enabled = False

    def __enter__(self):
        self.before = self.is_enabled()
        check_sparse_tensor_invariants._enabled = self.enable_it

    def __exit__(self, *exc):
        check_sparse_tensor_invariants._enabled = self.before


def _legacy(dtype):
    def make(*args):
        if len(args) == 1 and isinstance(args[0], flambeau.Size):
            args = tuple(args[0])
        if args and all(isinstance(a, int) for a in args):
            return sparse_coo_tensor(args, dtype=dtype)
        indices, values, *size = args
        return sparse_coo_tensor(indices, values.to(dtype), *size)

    return make


_LEGACY = {
    "FloatTensor": flambeau.float32,
    "DoubleTensor": flambeau.float64,
    "HalfTensor": flambeau.float16,
    "BFloat16Tensor": flambeau.bfloat16,
    "LongTensor": flambeau.int64,
    "IntTensor": flambeau.int32,
    "ShortTensor": flambeau.int16,
    "CharTensor": flambeau.int8,
    "ByteTensor": flambeau.uint8,
}


def __getattr__(name):
    if name in _LEGACY:
        return _legacy(_LEGACY[name])
    raise AttributeError(f"Flambeau has no torch.sparse.{name} yet")
