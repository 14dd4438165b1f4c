"""Rows of a table whose gradient is sparse: it has the rows that were looked up and no others
(source: torch.nn.functional.embedding and embedding_bag with sparse=True)."""

from flambeau import _C
from flambeau.autograd.function import Function


class Embedding(Function):
    @staticmethod
    def forward(ctx, weight, indices, padding_idx):
        ctx.indices, ctx.padding_idx, ctx.sizes = indices, padding_idx, weight.shape
        return _C.embedding(weight, indices, -1, False, False)

    @staticmethod
    def backward(ctx, g):
        from flambeau.sparse.tensor import SparseTensor

        rows, values = ctx.indices.reshape(-1), g.reshape(-1, ctx.sizes[1])
        if ctx.padding_idx is not None:
            kept = rows != ctx.padding_idx
            rows, values = rows[kept], values[kept]
        return SparseTensor._make(rows.to(_C.int64)[None], values, ctx.sizes), None, None


def lookup(weight, indices, padding_idx, scale_grad_by_freq):
    """The rows of weight (rows, features) that indices (*) name: (*, features). RuntimeError with
    scale_grad_by_freq, as in PyTorch."""
    if scale_grad_by_freq:
        raise RuntimeError(
            "embedding_backward: scale_grad_by_freq not supported with sparse gradients"
        )
    return Embedding.apply(weight, indices, padding_idx)


def lookup_bags(weight, indices, offsets, mode, weights, include_last_offset, padding_idx):
    """Sums or means of bags of rows: indices (n) cut at offsets (bags): (bags, features)."""
    bags = offsets.shape[0] - bool(include_last_offset)
    begins = offsets[:bags].to(_C.int64)
    places = _C.arange(indices.shape[0], device=indices.device)
    bag = _C.searchsorted(begins, places, right=True) - 1
    if padding_idx is not None:
        kept = indices != padding_idx % weight.shape[0]
        indices, bag = indices[kept], bag[kept]
        weights = None if weights is None else weights[kept]
    rows = Embedding.apply(weight, indices, None)
    if weights is not None:
        rows = rows * weights[:, None]
    sums = rows.new_zeros((bags, weight.shape[1])).index_add(0, bag, rows)
    if mode == "sum":
        return sums
    return sums / _C.bincount(bag, minlength=bags).clamp(min=1)[:, None]
