"""Padding, windows and shuffles of images (source: torch.nn.functional)."""
from __future__ import annotations

import math

import flambeau
from flambeau import _C
from flambeau._precision import under_autocast

__all__ = ["channel_shuffle", "fold", "pad", "pixel_shuffle", "pixel_unshuffle", "unfold"]


def pad(input, pad, mode="constant", value=None):
    """input with elements added before and after its last dimensions.

    pad is (before, after) of the last dimension, then of the one before it, ...; negative numbers
    take elements away. mode is constant (filled with value, 0 by default), reflect, replicate or
    circular.
    """
    pads = list(pad)
    if len(pads) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pads) > 2 * input.dim():
        raise RuntimeError("Padding length should be less than or equal to two times the input "
                           f"dimension but got padding length {len(pads)} and input of dimension "
                           f"{input.dim()}")
    if mode != "constant":
        if value is not None and value != 0:
            raise ValueError(f'Padding mode "{mode}" doesn\'t take in value argument')
        if mode not in ("reflect", "replicate", "circular"):
            raise NotImplementedError(f"Unrecognised padding mode {mode}")
        if input.dim() - len(pads) // 2 not in (1, 2):
            raise NotImplementedError("Only 2D, 3D, 4D, 5D padding with non-constant padding are "
                                      "supported for now")
    if mode == "constant":
        return flambeau.constant_pad_nd(input, pads, 0 if value is None else value)
    in_float32 = mode == "replicate" or (mode == "reflect" and len(pads) < 6)
    return (_pads_in_float32 if in_float32 else _pads_from_inside)(input, pads, mode)


def _pads_from_inside(input, pads, mode):
    given = input
    for i in range(0, len(pads), 2):
        input = _pad_from_inside(input, input.dim() - 1 - i // 2, pads[i], pads[i + 1], mode)
    return input if mode == "circular" else _C._nn._keep_format(input, given)


_pads_in_float32 = under_autocast("float32")(_pads_from_inside)


def _crop(input, dim, before, after):
    """Takes away what negative padding says."""
    start, end = max(-before, 0), input.size(dim) - max(-after, 0)
    if end - start + max(before, 0) + max(after, 0) < 0 or end < start:
        raise RuntimeError(f"The input size {input.size(dim)}, plus negative padding {before} and "
                           f"{after}, resulted in a negative output size, which is invalid. Check "
                           f"dimension {dim} of your input.")
    return input if before >= 0 and after >= 0 else input.narrow(dim, start, end - start)


def _pad_from_inside(input, dim, before, after, mode):
    if mode == "circular":
        input = _crop(input, dim, before, after)
        before, after = max(before, 0), max(after, 0)
    n = input.size(dim)
    if mode == "reflect" and max(before, after) >= n:
        raise RuntimeError("Argument #4: Padding size should be less than the corresponding input "
                           f"dimension, but got: padding ({before}, {after}) at dimension {dim} of "
                           f"input {list(input.shape)}")
    if mode == "circular" and max(before, after) > n:
        raise RuntimeError("Padding value causes wrapping around more than once.")
    if before == 0 and after == 0:
        return input
    positions = range(-before, n + after)
    if mode == "replicate":
        index = [min(max(i, 0), n - 1) for i in positions]
    elif mode == "circular":
        index = [i % n for i in positions]
    else:
        index = [n - 1 - abs(n - 1 - abs(i)) for i in positions]
    return input.index_select(dim, flambeau.tensor(index, device=input.device))


def _pair(value):
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def _windows(size, kernel, dilation, padding, stride):
    """How many windows fit into a padded length."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """Every window of (N, C, H, W) or (C, H, W) as a column: (N, C * kH * kW, windows)."""
    (kh, kw), (dh, dw), (ph, pw), (sh, sw) = map(_pair, (kernel_size, dilation, padding, stride))
    if input.dim() == 3:
        return unfold(input.unsqueeze(0), kernel_size, dilation, padding, stride).squeeze(0)
    if input.dim() != 4:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero"
            f" dimensions for input, but got: {list(input.shape)}"
        )
    rows, cols = _windows(input.size(2), kh, dh, ph, sh), _windows(input.size(3), kw, dw, pw, sw)
    if rows < 1 or cols < 1:
        raise RuntimeError(
            f"Given input with spatial size ({input.size(2)}, {input.size(3)}), kernel_size=({kh},"
            f" {kw}), dilation=({dh}, {dw}), padding=({ph}, {pw}), calculated shape of the array of"
            f" sliding blocks as ({rows}, {cols}), but its components must be at least one."
        )
    padded = pad(input, (pw, pw, ph, ph))
    parts = [
        padded[
            :,
            :,
            i * dh : i * dh + sh * (rows - 1) + 1 : sh,
            j * dw : j * dw + sw * (cols - 1) + 1 : sw,
        ]
        for i in range(kh)
        for j in range(kw)
    ]
    return flambeau.stack(parts, 2).reshape(input.size(0), input.size(1) * kh * kw, rows * cols)


def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """The sum of columns (N, C * kH * kW, windows) put back at their places: (N, C, *output_size).
    """
    (height, width), (kh, kw), (dh, dw), (ph, pw), (sh, sw) = map(
        _pair, (output_size, kernel_size, dilation, padding, stride))
    if input.dim() == 2:
        return fold(
            input.unsqueeze(0), output_size, kernel_size, dilation, padding, stride
        ).squeeze(0)
    rows, cols = _windows(height, kh, dh, ph, sh), _windows(width, kw, dw, pw, sw)
    if input.dim() != 3 or input.size(1) % (kh * kw) or input.size(2) != rows * cols:
        raise RuntimeError(
            f"Given output_size=({height}, {width}), kernel_size=({kh}, {kw}), expected input of"
            f" shape (N, C * {kh * kw}, {rows * cols}), but got {list(input.shape)}"
        )
    parts = input.reshape(input.size(0), -1, kh, kw, rows, cols)
    result = input.new_zeros((input.size(0), parts.size(1), height + 2 * ph, width + 2 * pw))
    for i in range(kh):
        for j in range(kw):
            result[
                :,
                :,
                i * dh : i * dh + sh * (rows - 1) + 1 : sh,
                j * dw : j * dw + sw * (cols - 1) + 1 : sw,
            ] += parts[:, :, i, j]
    return result[:, :, ph:ph + height, pw:pw + width]


def pixel_shuffle(input, upscale_factor):
    """(*, C r², H, W) to (*, C, H r, W r)."""
    r, (height, width) = upscale_factor, input.shape[-2:]
    if input.dim() < 3 or input.size(-3) % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square"
            f" of upscale_factor, but got input of shape {list(input.shape)} and upscale_factor={r}"
        )
    lead, channels = input.shape[:-3], input.size(-3) // (r * r)
    parts = input.reshape(math.prod(lead), channels, r, r, height, width).permute(0, 1, 4, 2, 5, 3)
    return _C._nn._keep_format(parts.reshape(*lead, channels, height * r, width * r), input)


def pixel_unshuffle(input, downscale_factor):
    """(*, C, H r, W r) to (*, C r², H, W)."""
    r = downscale_factor
    lead, (channels, height, width) = input.shape[:-3], input.shape[-3:]
    if height % r or width % r:
        raise RuntimeError(
            "pixel_unshuffle expects height and width to be divisible by downscale_factor, but got"
            f" input of shape {list(input.shape)} and downscale_factor={r}"
        )
    parts = input.reshape(math.prod(lead), channels, height // r, r, width // r, r).permute(
        0, 1, 3, 5, 2, 4
    )
    shape = *lead, channels * r * r, height // r, width // r
    return _C._nn._keep_format(parts.reshape(shape), input)


def channel_shuffle(input, groups):
    """(N, C, *) with the channels of the groups dealt in turn."""
    if input.size(1) % groups:
        raise RuntimeError("Number of channels must be divisible by groups. Got "
                           f"{input.size(1)} channels and {groups} groups.")
    return (
        input.reshape(input.size(0), groups, -1, *input.shape[2:])
        .transpose(1, 2)
        .reshape(input.shape)
    )
