"""Quantiles, histograms and covariances."""

import math

import flambeau as fl
from flambeau import _C
from flambeau._precision import under_autocast
from flambeau.functional._arguments import wrap_dim


@under_autocast("float32")
def quantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """The q-quantiles (a number or a vector of them) along a dim, or of all elements; NaN where
    there is one (source: torch.quantile)."""
    return _quantile(input, q, dim, keepdim, interpolation, False)


@under_autocast("float32")
def nanquantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """quantile of the elements that are not NaN (source: torch.nanquantile)."""
    return _quantile(input, q, dim, keepdim, interpolation, True)


def _quantile(input, q, dim, keepdim, interpolation, skip):
    if input.dtype not in (fl.float32, fl.float64):
        raise RuntimeError("quantile() input tensor must be either float or double dtype")
    if not isinstance(q, _C.Tensor):
        if not 0 <= q <= 1:
            raise RuntimeError(f"quantile() q must be in the range [0, 1] but got {q:g}")
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
        lines = (input.reshape(1) if ndim == 0 else input).movedim(wrap_dim(dim, ndim), -1)
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
            result = result.unsqueeze(wrap_dim(dim, ndim) + 1)
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
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    flat = input.flatten().detach()
    if min == max and flat.numel():
        min, max = flat.min().item(), flat.max().item()
    if min == max:
        min, max = min - 1, max + 1
    if not (math.isfinite(min) and math.isfinite(max)):
        raise RuntimeError(f"torch.histc: range of [{min}, {max}] is not finite")
    if min > max:
        raise RuntimeError("torch.histc: max must be larger than min")
    inside = (flat >= min) & (flat <= max)  # what is not is counted apart, and dropped
    part = ((flat.to(fl.float64) - min) * (bins / (max - min))).to(fl.int64).clamp(max=bins - 1)
    counts = _C.bincount(fl.where(inside, part, bins), minlength=bins + 1)
    return counts[:bins].to(input.dtype)


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
    norm = norm.clamp(min=0) if isinstance(norm, _C.Tensor) else max(norm, 0)
    weighted = centered * w if w is not None else centered
    result = centered @ weighted.t().conj() / norm
    return result.squeeze()


def corrcoef(input):
    """The correlation coefficients of the rows (source: torch.corrcoef)."""
    c = cov(input)
    if c.dim() == 0:
        return c / c
    d = c.diagonal().sqrt()
    c = c / d.unsqueeze(1) / d.unsqueeze(0)
    if c.is_complex():
        return fl.complex(c.real.clip(-1, 1), c.imag.clip(-1, 1))
    return c.clip(-1, 1)
