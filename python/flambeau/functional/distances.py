"""Norms of differences."""

import math

import flambeau as fl
from flambeau import _C
from flambeau.functional._arguments import wrap_dim


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
    dim = wrap_dim(dim, input.dim())
    others = [d for d in range(input.dim()) if d != dim]
    size = _C.norm(input, p, others, True)
    return input * _C.where(size > maxnorm, maxnorm / (size + 1e-7), 1.0).to(input.dtype)
