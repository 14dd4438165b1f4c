"""Norms of differences."""

import math

import flambeau as fl
from flambeau import _C
from flambeau._precision import under_autocast


def _p_norm(t, p, dim):
    """The p-norm along dim, with a gradient of 0 where it is 0."""
    size = t.abs()
    if p == 0:
        return (t != 0).to(t.dtype).sum(dim) + (t * 0).sum(dim)
    if p == 1:
        return size.sum(dim)
    if p == math.inf:
        return size.amax(dim)
    return _root((size * size if p == 2 else size**p).sum(dim), p)


def _root(total, p=2):
    """The p-th root, with a gradient of 0 at 0."""
    zero = total == 0
    safe = _C.where(zero, 1.0, total)
    return _C.where(zero, total, safe.sqrt() if p == 2 else safe ** (1.0 / p))


@under_autocast("float32")
def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """The p-norm distances between the rows of x1 (.., P, M) and of x2 (.., R, M): (.., P, R)
    (source: torch.cdist)."""
    if x1.dim() < 2 or x2.dim() < 2:
        raise RuntimeError("cdist only supports at least 2D tensors")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError("X1 and X2 must have the same number of columns.")
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    if compute_mode not in _BY_PRODUCT:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    rows, others, columns = x1.shape[-2], x2.shape[-2], x1.shape[-1]
    many = rows > 25 or others > 25
    if p == 2 and columns and (_BY_PRODUCT[compute_mode] or
                               (many and _BY_PRODUCT[compute_mode] is None)):
        return _distances_by_product(x1, x2)
    # Some rows at a time: the gaps between all pairs may be many times the result.
    pairs = max(1, others * columns * max(x1.numel() // max(1, rows * columns), 1))
    parts = [_distances_by_gap(part, x2, p) for part in x1.split(max(1, _MOST_GAPS // pairs), -2)]
    return parts[0] if len(parts) == 1 else fl.cat(parts, -2)


_MOST_GAPS = 1 << 22
_BY_PRODUCT = {"use_mm_for_euclid_dist_if_necessary": None, "use_mm_for_euclid_dist": True,
               "donot_use_mm_for_euclid_dist": False}


def _distances_by_gap(x1, x2, p):
    gap = x1.unsqueeze(-2) - x2.unsqueeze(-3)
    return _p_norm(gap, p, -1) if gap.shape[-1] else gap.sum(-1)


def _distances_by_product(x1, x2):
    """|a - b|^2 = |a|^2 + |b|^2 - 2 a b as one matrix product, as PyTorch computes it."""
    size1, size2 = (x1 * x1).sum(-1, True), (x2 * x2).sum(-1, True)
    left = fl.cat([x1 * -2, size1, fl.ones_like(size1)], -1)
    right = fl.cat([x2, fl.ones_like(size2), size2], -1)
    return _root((left @ right.mT).clamp_min(0))


def pdist(input, p=2.0):
    """The p-norm distances of all pairs of rows (source: torch.nn.functional.pdist)."""
    if input.dim() != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.dim()}D")
    n = input.shape[0]
    upper = fl.triu_indices(n, n, 1)
    return _p_norm(input[upper[0]] - input[upper[1]], p, -1)
