"""Resizing of images and signals (source: torch.nn.functional.interpolate).

Every mode works dimension by dimension: a point of the output is a weighted sum of a few points of
the input, whose positions and weights depend on that dimension alone. Positions are computed in
float32, as PyTorch does.
"""
from __future__ import annotations

import functools
import math
import warnings

import flambeau
from flambeau.nn import functional as F

_MODES = {
    "linear": (3, 2),
    "bilinear": (4, 2),
    "trilinear": (5, 2),
    "bicubic": (4, 4),
    "lanczos": (4, 6),
}  # dimensions, taps
_FILTERS = {
    "bilinear": "_upsample_bilinear2d_aa",
    "bicubic": "_upsample_bicubic2d_aa",
    "lanczos": "_upsample_lanczos2d_aa",
}  # of antialias=True


def interpolate(
    input,
    size=None,
    scale_factor=None,
    mode="nearest",
    align_corners=None,
    recompute_scale_factor=None,
    antialias=False,
):
    """Resizes (N, C, *spatial) to a size or by a factor: nearest, nearest-exact, area, linear,
    bilinear, trilinear, bicubic; with antialias also lanczos."""
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the interpolating modes: linear |"
                " bilinear | bicubic | trilinear"
            )
    if (
        input.dim() not in (3, 4, 5)
        if mode in ("nearest", "area", "nearest-exact")
        else mode not in _MODES or _MODES[mode][0] != input.dim()
    ):
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.dim()}D) for the"
            " modes: nearest | linear | bilinear | bicubic | trilinear | lanczos | area |"
            f" nearest-exact (got {mode})"
        )
    if antialias and not (mode in _FILTERS and input.dim() == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a"
            " 4-D tensor as input"
        )
    if mode == "lanczos" and not antialias:
        raise ValueError("Mode 'lanczos' requires antialias=True")
    spatial = input.dim() - 2
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    factors = [None] * spatial
    if size is not None:
        sizes = list(size) if isinstance(size, (tuple, list)) else [size] * spatial
    else:
        factors = (
            list(scale_factor)
            if isinstance(scale_factor, (tuple, list))
            else [scale_factor] * spatial
        )
        sizes = [math.floor(float(n) * f) for n, f in zip(input.shape[2:], factors)]
        if recompute_scale_factor:
            factors = [None] * spatial
    if len(sizes) != spatial:
        raise ValueError(
            "Input and output must have the same number of spatial dimensions, but got input with"
            f" spatial dimensions of {list(input.shape[2:])} and output size of {size}. Please"
            " provide input tensor in (N, C, d1, d2, ...,dK) format and output size in (o1, o2,"
            " ...,oK) format."
        )
    if mode != "area" and min(*input.shape[2:], *sizes) <= 0:
        names = "DHW"[3 - spatial:]
        old = ", ".join(f"{name}: {n}" for name, n in zip(names, input.shape[2:]))
        new = ", ".join(f"{name}: {n}" for name, n in zip(names, sizes))
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input ({old})"
            f" {'and ' if spatial == 1 else ''}output ({new})"
        )
    if mode == "area":
        pools = F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d
        return pools[spatial - 1](input, sizes)
    if antialias:
        resample = getattr(F._nn, _FILTERS[mode])
        return resample(input, sizes, bool(align_corners), *factors)
    # What no memory can hold is refused before its points are listed.
    flambeau.empty((*input.shape[:2], *sizes), dtype=input.dtype)
    dims, given = list(enumerate(zip(sizes, factors), 2)), input
    if mode.startswith("nearest"):
        for dim, (n, factor) in dims:
            input = _pick(input, dim, n, factor, mode == "nearest-exact")
        return F._nn._keep_format(input, given)
    dtype, align_corners, taps = input.dtype, bool(align_corners), _MODES[mode][1]
    if dtype == flambeau.uint8:
        for dim, (n, factor) in reversed(dims):
            input = _blend_bytes(input, dim, n, factor, align_corners, taps)
        return F._nn._keep_format(input, given)
    kept = dtype
    if dtype in F._HALVES:  # one rounding at the end; and of weights, but for small images
        input = input.float()
        kept = flambeau.float32 if mode == "bilinear" and sum(sizes) <= 128 else dtype
    for dim, (n, factor) in dims:
        input = _blend(input, dim, n, factor, align_corners, taps, kept)
    return F._nn._keep_format(input.to(dtype), given)


def _scale(old, new, factor):
    return 1.0 / factor if factor else old / new


def _float32(value):
    return flambeau.tensor(value, dtype=flambeau.float32).item()


def _pick(input, dim, n, factor, exact):
    old = input.size(dim)
    scale = _float32(_scale(old, n, factor))
    index = [
        min(int(_float32((i + 0.5) * scale if exact else i * scale)), old - 1) for i in range(n)
    ]
    return input.index_select(dim, flambeau.tensor(index))


@functools.lru_cache(64)
def _points(old, n, factor, align_corners, taps):
    """For each tap, which points of the input the n points of the output are made of, and by which
    weights."""
    if align_corners:
        scale = (old - 1) / (n - 1) if n > 1 else 0.0
    else:
        scale = _scale(old, n, factor)
    index, weight = [[] for _ in range(taps)], [[] for _ in range(taps)]
    for i in range(n):
        at = i * scale if align_corners else (i + 0.5) * scale - 0.5
        at = max(at, 0.0) if taps == 2 else at
        first = math.floor(at)
        t = at - first
        weights = (1 - t, t) if taps == 2 else _cubic(t)
        for tap, w in enumerate(weights):
            index[tap].append(min(max(first + tap - taps // 2 + 1, 0), old - 1))
            weight[tap].append(w)
    return index, weight


def _sum(input, dim, index, weight):
    shape = [len(index[0]) if d == dim else 1 for d in range(input.dim())]
    result = 0
    for i, w in zip(index, weight):
        result = input.index_select(dim, flambeau.tensor(i)) * w.reshape(shape) + result
    return result


def _blend(input, dim, n, factor, align_corners, taps, kept):
    index, weight = _points(input.size(dim), n, factor, align_corners, taps)
    weight = flambeau.tensor(weight, dtype=kept)
    if taps == 2:
        weight[0] = 1 - weight[1]
    return flambeau._C._blend_points(input, dim, flambeau.tensor(index), weight.to(input.dtype))


def _blend_bytes(input, dim, n, factor, align_corners, taps):
    """_blend of bytes, in fixed point as PyTorch has it: weights of 16 bits, with as many of them
    behind the point as the greatest leaves room for; the sum is rounded to the nearest byte."""
    if n == input.size(dim):
        return input
    index, weight = _points(input.size(dim), n, factor, align_corners, taps)
    greatest, bits = max(map(max, weight)), 0
    while bits < 22 and int(0.5 + greatest * (1 << (bits + 1))) < 1 << 15:
        bits += 1
    weight = [[int(math.copysign(0.5, w) + w * (1 << bits)) for w in row] for row in weight]
    weight = [flambeau.tensor(w, dtype=flambeau.int32) for w in weight]
    total = _sum(input.int(), dim, index, weight) + (1 << (bits - 1))
    return (total >> bits).clamp(0, 255).to(flambeau.uint8)


def _cubic(t, a=-0.75):
    """Weights of the four neighbours of a point at t between the middle two (Keys, 1981)."""
    def near(x):
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x):
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return far(t + 1), near(t), near(1 - t), far(2 - t)


def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """The old name of interpolate."""
    warnings.warn(
        "`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=2,
    )
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input, size=None, scale_factor=None):
    """interpolate(mode="nearest")."""
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input, size=None, scale_factor=None):
    """interpolate(mode="bilinear", align_corners=True)."""
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)
