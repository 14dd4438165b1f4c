"""Colours of tensors that v2 computes otherwise than transforms.functional does, by a rounding or
two (source: torchvision.transforms.v2.functional._color)."""
from __future__ import annotations

import flambeau
from flambeau.nn import functional as F

__all__ = ["adjust_contrast", "adjust_saturation", "adjust_sharpness"]


def _check(image, name, factor):
    if factor < 0:
        raise ValueError(f"{name} ({factor}) is not non-negative.")
    if image.shape[-3] not in (1, 3):
        raise TypeError(
            "Input image tensor permitted channel values are 1 or 3, but found"
            f" {image.shape[-3]}"
        )


def _most(image):
    return 1.0 if image.is_floating_point() else flambeau.iinfo(image.dtype).max


def _blend(image, other, ratio):
    mixed = image.mul(ratio).add_(other, alpha=1.0 - ratio).clamp_(0, _most(image))
    return mixed.to(image.dtype)


def _gray(image):
    """The image in grey, of one channel; of integers whole numbers, as floats."""
    if image.shape[-3] == 1:
        return image if image.is_floating_point() else image.float()
    r, g, b = image.unbind(-3)
    gray = r.mul(0.2989).add_(g, alpha=0.587).add_(b, alpha=0.114).unsqueeze(-3)
    return gray if image.is_floating_point() else gray.floor_()


def adjust_contrast(image, contrast_factor):
    """0 is grey, 1 leaves, 2 has twice the contrast."""
    _check(image, "contrast_factor", contrast_factor)
    return _blend(image, _gray(image).mean((-3, -2, -1), keepdim=True), float(contrast_factor))


def adjust_saturation(image, saturation_factor):
    """0 is black and white, 1 leaves, 2 has twice the colour."""
    _check(image, "saturation_factor", saturation_factor)
    if image.shape[-3] == 1:
        return image
    return _blend(image, _gray(image), float(saturation_factor))


def adjust_sharpness(image, sharpness_factor):
    """0 blurs, 1 leaves, 2 sharpens twice; the margins stay as they are."""
    _check(image, "sharpness_factor", sharpness_factor)
    if image.numel() == 0 or image.shape[-1] <= 2 or image.shape[-2] <= 2:
        return image
    whole = not image.is_floating_point()
    out = image.float() if whole else image.clone()
    channels = image.shape[-3]
    kernel = flambeau.full((3, 3), 1.0 / 13.0, dtype=out.dtype)
    kernel[1, 1] = 5.0 / 13.0
    batch = out.reshape(-1, *out.shape[-3:])
    soft = F.conv2d(batch, kernel.expand(channels, 1, 3, 3), groups=channels)
    soft = soft.round_() if whole else soft
    inner = batch[..., 1:-1, 1:-1]
    inner.add_(soft.sub_(inner), alpha=1.0 - sharpness_factor)
    return batch.reshape(image.shape).clamp_(0, _most(image)).to(image.dtype)
