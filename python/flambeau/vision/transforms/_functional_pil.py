"""Transforms of Pillow's images by Pillow (source: torchvision.transforms._functional_pil)."""
from __future__ import annotations

import numbers

from flambeau.vision import is_pillow_image as _is_pil_image
from flambeau.vision import pillow
from flambeau.vision.transforms._functional_tensor import _sides, check_pad


def _check(img):
    if not _is_pil_image(img):
        raise TypeError(f"img should be PIL Image. Got {type(img)}")


def get_dimensions(img):
    """[channels, height, width]."""
    if not _is_pil_image(img):
        raise TypeError(f"Unexpected type {type(img)}")
    return [len(img.getbands()), img.height, img.width]


def get_image_size(img):
    """[width, height]."""
    if not _is_pil_image(img):
        raise TypeError(f"Unexpected type {type(img)}")
    return list(img.size)


def get_image_num_channels(img):
    """The number of channels."""
    return get_dimensions(img)[0]


def hflip(img):
    """Mirrored."""
    _check(img)
    return img.transpose(pillow().Transpose.FLIP_LEFT_RIGHT)


def vflip(img):
    """Upside down."""
    _check(img)
    return img.transpose(pillow().Transpose.FLIP_TOP_BOTTOM)


def _enhancer(name, doc):
    def function(img, factor):
        _check(img)
        return getattr(pillow("ImageEnhance"), name)(img).enhance(factor)

    function.__doc__ = doc
    return function


adjust_brightness = _enhancer("Brightness", "0 is black, 1 leaves, 2 is twice as bright.")
adjust_contrast = _enhancer("Contrast", "0 is grey, 1 leaves, 2 has twice the contrast.")
adjust_saturation = _enhancer("Color", "0 is black and white, 1 leaves, 2 has twice the colour.")
adjust_sharpness = _enhancer("Sharpness", "0 blurs, 1 leaves, 2 sharpens twice.")


def adjust_hue(img, hue_factor):
    """Hues turned by hue_factor of the circle."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    _check(img)
    if img.mode in ("L", "1", "I", "F"):
        return img
    h, s, v = img.convert("HSV").split()
    turn = int(hue_factor * 255)
    h = h.point([(hue + turn) % 256 for hue in range(256)])
    return pillow().merge("HSV", (h, s, v)).convert(img.mode)


def adjust_gamma(img, gamma, gain=1.0):
    """gain * img ** gamma."""
    _check(img)
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    table = [int((255 + 1 - 1e-3) * gain * pow(value / 255.0, gamma)) for value in range(256)]
    return img.convert("RGB").point(table * 3).convert(img.mode)


def _reflect_index(i, n, edge):
    """Where element i of a padded line comes from in one of n elements."""
    if edge == "edge":
        return min(max(i, 0), n - 1)
    if n == 1:
        return 0
    period = 2 * n if edge == "symmetric" else 2 * n - 2
    i %= period
    return i if i < n else period - i - (edge == "symmetric")


def _pad_by_edge(img, sides, edge):
    """The image with margins of its own pixels, put together row by row and column by column."""
    left, right, top, bottom = sides
    if min(sides) < 0:
        img = img.crop((max(-left, 0), max(-top, 0), img.width - max(-right, 0),
                        img.height - max(-bottom, 0)))
        left, right, top, bottom = (max(side, 0) for side in sides)
    w, h = img.size
    wide = pillow().new(img.mode, (w + left + right, h))
    whole = pillow().new(img.mode, (w + left + right, h + top + bottom))
    if img.mode == "P":
        whole.putpalette(img.getpalette())
    wide.paste(img, (left, 0))
    for x in [*range(left), *range(left + w, left + w + right)]:
        source = _reflect_index(x - left, w, edge)
        wide.paste(img.crop((source, 0, source + 1, h)), (x, 0))
    whole.paste(wide, (0, top))
    for y in [*range(top), *range(top + h, top + h + bottom)]:
        source = _reflect_index(y - top, h, edge)
        whole.paste(wide.crop((0, source, wide.width, source + 1)), (0, y))
    return whole


def pad(img, padding, fill=0, padding_mode="constant"):
    """Margins around the image: of a colour, or of its own edge (edge, reflect, symmetric)."""
    _check(img)
    if fill is not None and not isinstance(fill, (numbers.Number, tuple, list)):
        raise TypeError("Got inappropriate fill arg")
    check_pad(padding, fill, padding_mode)
    if padding_mode != "constant":
        return _pad_by_edge(img, _sides(padding), padding_mode)
    if not isinstance(padding, int):
        padding = padding[0] if len(padding) == 1 else tuple(padding)
    fill = _parse_fill(fill, img, "fill")
    padded = pillow("ImageOps").expand(img, border=padding, **fill)
    if img.mode == "P":
        padded.putpalette(img.getpalette())
    return padded


def crop(img, top, left, height, width):
    """A part of the image, 0 where it reaches out of it."""
    _check(img)
    return img.crop((left, top, left + width, top + height))


def resize(img, size, interpolation=2):
    """The image in another size (height, width)."""
    _check(img)
    if not (isinstance(size, list) and len(size) == 2):
        raise TypeError(f"Got inappropriate size arg: {size}")
    return img.resize(tuple(size[::-1]), interpolation)


def _parse_fill(fill, img, name="fillcolor"):
    """{name: colour} of a number or a sequence, for all of the image's channels."""
    channels = get_image_num_channels(img)
    fill = 0 if fill is None else fill
    if isinstance(fill, (int, float)) and channels > 1:
        fill = (fill,) * channels
    if isinstance(fill, (list, tuple)):
        if len(fill) == 1:
            fill = fill * channels
        elif len(fill) != channels:
            raise ValueError(
                "The number of elements in 'fill' does not match the number of channels of the "
                f"image ({len(fill)} != {channels})"
            )
        fill = tuple(fill)
    if img.mode != "F":
        fill = tuple(int(x) for x in fill) if isinstance(fill, tuple) else int(fill)
    return {name: fill}


def affine(img, matrix, interpolation=0, fill=None):
    """The image moved by an inverse matrix of six numbers."""
    _check(img)
    kind = pillow().Transform.AFFINE
    return img.transform(img.size, kind, matrix, interpolation, **_parse_fill(fill, img))


def rotate(img, angle, interpolation=0, expand=False, center=None, fill=None):
    """The image turned counter-clockwise by degrees."""
    _check(img)
    return img.rotate(angle, interpolation, expand, center, **_parse_fill(fill, img))


def perspective(img, perspective_coeffs, interpolation=3, fill=None):
    """The image seen from another place."""
    _check(img)
    kind = pillow().Transform.PERSPECTIVE
    fill = _parse_fill(fill, img)
    return img.transform(img.size, kind, perspective_coeffs, interpolation, **fill)


def to_grayscale(img, num_output_channels):
    """Luma, in one or three channels."""
    _check(img)
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    gray = img.convert("L")
    return gray if num_output_channels == 1 else pillow().merge("RGB", (gray,) * 3)


def _operation(name, doc):
    def function(img, *arguments):
        _check(img)
        return getattr(pillow("ImageOps"), name)(img, *arguments)

    function.__doc__ = doc
    return function


invert = _operation("invert", "The negative.")
posterize = _operation("posterize", "The upper bits of each byte alone.")
solarize = _operation("solarize", "The negative where img is at least threshold.")
autocontrast = _operation("autocontrast", "Each channel stretched over the whole range.")
equalize = _operation("equalize", "Each channel with as even a histogram as can be.")
