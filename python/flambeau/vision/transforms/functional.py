"""Transforms as functions: of Pillow's images and of tensors (..., C, H, W) (source:
torchvision.transforms.functional)."""
from __future__ import annotations

import math
import numbers
import sys
import warnings
from enum import Enum

import flambeau
from flambeau.vision import pillow
from flambeau.vision.transforms import _functional_pil as F_pil
from flambeau.vision.transforms import _functional_tensor as F_t
from flambeau.vision.transforms._functional_pil import _is_pil_image


class InterpolationMode(Enum):
    """How pixels between pixels are made."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


pil_modes_mapping = {
    InterpolationMode.NEAREST: 0,
    InterpolationMode.BILINEAR: 2,
    InterpolationMode.BICUBIC: 3,
    InterpolationMode.NEAREST_EXACT: 0,
    InterpolationMode.BOX: 4,
    InterpolationMode.HAMMING: 5,
    InterpolationMode.LANCZOS: 1,
}
_MODES_BY_INT = {0: InterpolationMode.NEAREST} | {
    number: mode for mode, number in pil_modes_mapping.items() if number
}


def _interpolation_modes_from_int(i):
    return _MODES_BY_INT[i]


def _mode(interpolation):
    """An InterpolationMode of one, or of Pillow's number for it."""
    if isinstance(interpolation, int):
        return _interpolation_modes_from_int(interpolation)
    if not isinstance(interpolation, InterpolationMode):
        raise TypeError(
            "Argument interpolation should be a InterpolationMode or a corresponding Pillow "
            "integer constant"
        )
    return interpolation


def _of(img):
    """What transforms images of img's kind."""
    return F_t if isinstance(img, flambeau.Tensor) else F_pil


def _is_array(value):
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def get_dimensions(img):
    """[channels, height, width]."""
    return _of(img).get_dimensions(img)


def get_image_size(img):
    """[width, height]."""
    return _of(img).get_image_size(img)


def get_image_num_channels(img):
    """The number of channels."""
    return _of(img).get_image_num_channels(img)


# ---- To tensors and back -------------------------------------------------------------------------

_DTYPES = {"I": "int32", "I;16": "int16", "I;16L": "int16", "I;16B": "int16", "F": "float32"}


def _pixels(pic):
    """The pixels (H, W, C) of Pillow's image, in memory of their own."""
    dtype = getattr(flambeau, _DTYPES.get(pic.mode, "uint8"))
    if pic.mode == "1":
        pic = pic.convert("L")
        content = bytearray(pic.tobytes())
        shape = (pic.height, pic.width, 1)
        return (flambeau.frombuffer(content, dtype=dtype) != 0).to(dtype).view(shape)
    shape = (pic.height, pic.width, len(pic.getbands()))
    content = bytearray(pic.tobytes())
    if not content:
        return flambeau.empty(shape, dtype=dtype)
    return flambeau.frombuffer(content, dtype=dtype).view(shape)


def to_tensor(pic):
    """A tensor (C, H, W) of Pillow's image or of an array (H, W, C): bytes become floats from 0 to
    1, other numbers stay."""
    if _is_pil_image(pic):
        img = _pixels(pic)
        if pic.mode == "1":
            img = 255 * img
    elif _is_array(pic):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        img = flambeau.from_numpy(pic if pic.ndim == 3 else pic[:, :, None])
    else:
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
    img = img.permute((2, 0, 1)).contiguous()
    if img.dtype == flambeau.uint8:
        return img.to(flambeau.get_default_dtype()).div(255)
    return img


def pil_to_tensor(pic):
    """A tensor (C, H, W) of Pillow's image, its numbers as they are."""
    if not _is_pil_image(pic):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    img = _pixels(pic)
    return (img.bool() if pic.mode == "1" else img).permute((2, 0, 1))


def convert_image_dtype(image, dtype=flambeau.float32):
    """The image in another dtype, full brightness staying full brightness."""
    if not isinstance(image, flambeau.Tensor):
        raise TypeError("Input img should be Tensor Image")
    return F_t.convert_image_dtype(image, dtype)


# channels -> (the mode of bytes, others that may be asked for, how errors name it)
_MODES = {
    2: ("LA", ["LA"], "2D"),
    3: ("RGB", ["RGB", "YCbCr", "HSV"], "3D"),
    4: ("RGBA", ["RGBA", "CMYK", "RGBX"], "4D"),
}


def to_pil_image(pic, mode=None):
    """Pillow's image of a tensor (C, H, W) or an array (H, W, C); floats from 0 to 1 become
    bytes."""
    if _is_array(pic):
        pic = flambeau.from_numpy(pic)
    elif not isinstance(pic, flambeau.Tensor):
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
    elif pic.ndim == 3:
        pic = pic.permute((1, 2, 0))
    if pic.ndim == 2:
        pic = pic.unsqueeze(2)
    if pic.ndim != 3:
        raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
    channels = pic.shape[-1]
    if channels > 4:
        raise ValueError(f"pic should not have > 4 channels. Got {channels} channels.")
    pic = pic.detach()
    if pic.is_floating_point() and mode != "F":
        pic = (pic * 255).to(flambeau.uint8)
    name = str(pic.dtype)[6:]
    if channels == 1:
        expected = {"uint8": "L", "int16": "I;16", "int32": "I", "float32": "F"}.get(name)
        if mode is not None and mode != expected:
            raise ValueError(
                f"Incorrect mode ({mode}) supplied for input type {name}. Should be {expected}"
            )
        mode = expected
    else:
        usual, permitted, kind = _MODES[channels]
        if mode is not None and mode not in permitted:
            raise ValueError(f"Only modes {permitted} are supported for {kind} inputs")
        if mode is None and name == "uint8":
            mode = usual
    if mode is None or (channels > 1 and name != "uint8"):
        raise TypeError(f"Input type {name} is not supported")
    content = bytes(memoryview(pic.contiguous())) if pic.numel() else b""
    return pillow().frombytes(mode, (pic.shape[1], pic.shape[0]), content)


def normalize(tensor, mean, std, inplace=False):
    """(tensor - mean) / std, channel by channel."""
    if not isinstance(tensor, flambeau.Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
    return F_t.normalize(tensor, mean=mean, std=std, inplace=inplace)


# ---- Size and place ------------------------------------------------------------------------------


def _compute_resized_output_size(image_size, size, max_size=None, allow_size_none=False):
    """[height, width] of an image of image_size (height, width) brought to `size`: both, or the
    shorter edge, the longer being at most max_size."""
    h, w = image_size
    short, long = sorted((h, w))
    if size is None:
        if not (allow_size_none and isinstance(max_size, int)):
            raise ValueError(
                f"max_size must be an integer when size is None, but got {max_size} instead."
            )
        new_short, new_long = int(max_size * short / long), max_size
    elif len(size) == 2:
        return list(size)
    else:
        new_short = size[0]
        new_long = int(new_short * long / short)
        if max_size is not None:
            if max_size <= new_short:
                raise ValueError(
                    f"max_size = {max_size} must be strictly greater than the requested size for "
                    f"the smaller edge size = {size}"
                )
            if new_long > max_size:
                new_short, new_long = int(max_size * new_short / new_long), max_size
    return [new_long, new_short] if w <= h else [new_short, new_long]


def resize(img, size, interpolation=InterpolationMode.BILINEAR, max_size=None, antialias=True):
    """The image in another size: (height, width), or that of its shorter edge."""
    interpolation = _mode(interpolation)
    if isinstance(size, (list, tuple)):
        if len(size) not in (1, 2):
            raise ValueError(
                "Size must be an int or a 1 or 2 element tuple/list, not a "
                f"{len(size)} element tuple/list"
            )
        if max_size is not None and len(size) != 1:
            raise ValueError(
                "max_size should only be passed if size specifies the length of the smaller edge, "
                "i.e. size should be an int or a sequence of length 1 in torchscript mode."
            )
    _, h, w = get_dimensions(img)
    size = _compute_resized_output_size((h, w), [size] if isinstance(size, int) else size, max_size)
    if [h, w] == size:
        return img
    if isinstance(img, flambeau.Tensor):
        return F_t.resize(img, size, interpolation=interpolation.value, antialias=antialias)
    if antialias is False:
        warnings.warn(
            "Anti-alias option is always applied for PIL Image input. Argument antialias is "
            "ignored."
        )
    return F_pil.resize(img, size=size, interpolation=pil_modes_mapping[interpolation])


def pad(img, padding, fill=0, padding_mode="constant"):
    """Margins around the image; padding: one number, (left/right, top/bottom), or (left, top,
    right, bottom); padding_mode: constant, edge, reflect, symmetric."""
    return _of(img).pad(img, padding=padding, fill=fill, padding_mode=padding_mode)


def crop(img, top, left, height, width):
    """A part of the image, 0 where it reaches out of it."""
    return _of(img).crop(img, top, left, height, width)


def _pair(size):
    if isinstance(size, numbers.Number):
        return int(size), int(size)
    return (size[0], size[0]) if len(size) == 1 else size


def center_crop(img, output_size):
    """The middle of the image, padded by 0 where it is too small."""
    height, width = _pair(output_size)
    _, h, w = get_dimensions(img)
    if width > w or height > h:
        wider, higher = max(width - w, 0), max(height - h, 0)
        img = pad(img, [wider // 2, higher // 2, (wider + 1) // 2, (higher + 1) // 2], fill=0)
        _, h, w = get_dimensions(img)
        if (width, height) == (w, h):
            return img
    top, left = int(round((h - height) / 2.0)), int(round((w - width) / 2.0))
    return crop(img, top, left, height, width)


def resized_crop(
    img, top, left, height, width, size, interpolation=InterpolationMode.BILINEAR, antialias=True
):
    """A part of the image in another size."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def hflip(img):
    """Mirrored."""
    return _of(img).hflip(img)


def vflip(img):
    """Upside down."""
    return _of(img).vflip(img)


def five_crop(img, size):
    """The four corners and the middle."""
    size = _pair(size)
    if len(size) != 2:
        raise ValueError("Please provide only two dimensions (h, w) for size.")
    _, h, w = get_dimensions(img)
    height, width = size
    if width > w or height > h:
        raise ValueError(f"Requested crop size {size} is bigger than input size {(h, w)}")
    corners = [
        crop(img, top, left, height, width)
        for top in (0, h - height)
        for left in (0, w - width)
    ]
    return (*corners, center_crop(img, [height, width]))


def ten_crop(img, size, vertical_flip=False):
    """five_crop of the image and of its mirror image."""
    mirrored = vflip(img) if vertical_flip else hflip(img)
    return five_crop(img, size) + five_crop(mirrored, size)


# ---- Geometry ------------------------------------------------------------------------------------


def _solve(rows, right):
    """Gauss's elimination with pivots, in double precision: the numbers x with rows @ x = right."""
    n = len(right)
    a = [[*map(float, row), float(b)] for row, b in zip(rows, right)]
    for k in range(n):
        pivot = max(range(k, n), key=lambda i: abs(a[i][k]))
        a[k], a[pivot] = a[pivot], a[k]
        if a[k][k] == 0:
            raise ValueError("the corners of a perspective must not lie on one line")
        for i in range(k + 1, n):
            factor = a[i][k] / a[k][k]
            a[i] = [x - factor * y for x, y in zip(a[i], a[k])]
    x = [0.0] * n
    for k in reversed(range(n)):
        x[k] = (a[k][n] - sum(a[k][j] * x[j] for j in range(k + 1, n))) / a[k][k]
    return x


def _get_perspective_coeffs(startpoints, endpoints):
    """The eight coefficients that bring endpoints back to startpoints, float32 as lists."""
    if len(startpoints) != 4 or len(endpoints) != 4:
        raise ValueError(
            f"Please provide exactly four corners, got {len(startpoints)} startpoints and "
            f"{len(endpoints)} endpoints."
        )
    rows, right = [], []
    for (x, y), (u, v) in zip(endpoints, startpoints):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    return flambeau.tensor(_solve(rows, right), dtype=flambeau.float32).tolist()


def perspective(
    img, startpoints, endpoints, interpolation=InterpolationMode.BILINEAR, fill=None
):
    """The image seen from another place: its four startpoints go to the endpoints."""
    coeffs = _get_perspective_coeffs(startpoints, endpoints)
    interpolation = _mode(interpolation)
    if isinstance(img, flambeau.Tensor):
        return F_t.perspective(img, coeffs, interpolation=interpolation.value, fill=fill)
    interpolation = pil_modes_mapping[interpolation]
    return F_pil.perspective(img, coeffs, interpolation=interpolation, fill=fill)


def _get_inverse_affine_matrix(center, angle, translate, scale, shear, inverted=True):
    """Six numbers of the matrix T C R S Sh inv(C) (translation, centre, rotation by degrees, scale,
    shear by degrees), or of its inverse."""
    turn, sx, sy = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    (cx, cy), (tx, ty) = center, translate
    a = math.cos(turn - sy) / math.cos(sy)
    b = -math.cos(turn - sy) * math.tan(sx) / math.cos(sy) - math.sin(turn)
    c = math.sin(turn - sy) / math.cos(sy)
    d = -math.sin(turn - sy) * math.tan(sx) / math.cos(sy) + math.cos(turn)
    if inverted:
        m = [x / scale for x in (d, -b, 0.0, -c, a, 0.0)]
        fx, fy, gx, gy = -cx - tx, -cy - ty, cx, cy
    else:
        m = [x * scale for x in (a, b, 0.0, c, d, 0.0)]
        fx, fy, gx, gy = -cx, -cy, cx + tx, cy + ty
    m[2] += m[0] * fx + m[1] * fy
    m[5] += m[3] * fx + m[4] * fy
    m[2] += gx
    m[5] += gy
    return m


def _check_turn(angle, center):
    if not isinstance(angle, (int, float)):
        raise TypeError("Argument angle should be int or float")
    if center is not None and not isinstance(center, (list, tuple)):
        raise TypeError("Argument center should be a sequence")


def _from_middle(img, center):
    """A centre in pixels from the image's middle."""
    if center is None:
        return [0.0, 0.0]
    _, height, width = get_dimensions(img)
    return [1.0 * (c - s * 0.5) for c, s in zip(center, (width, height))]


def rotate(
    img, angle, interpolation=InterpolationMode.NEAREST, expand=False, center=None, fill=None
):
    """The image turned counter-clockwise by degrees."""
    interpolation = _mode(interpolation)
    _check_turn(angle, center)
    if not isinstance(img, flambeau.Tensor):
        mode = pil_modes_mapping[interpolation]
        return F_pil.rotate(img, angle, mode, expand=expand, center=center, fill=fill)
    matrix = _get_inverse_affine_matrix(
        _from_middle(img, center), -angle, [0.0, 0.0], 1.0, [0.0, 0.0]
    )
    return F_t.rotate(img, matrix, interpolation.value, expand=expand, fill=fill)


def _check_affine(angle, translate, scale, shear, center):
    """(angle, translate, shear) as lists of floats, checked."""
    _check_turn(angle, center)
    if not isinstance(translate, (list, tuple)):
        raise TypeError("Argument translate should be a sequence")
    if len(translate) != 2:
        raise ValueError("Argument translate should be a sequence of length 2")
    if scale <= 0.0:
        raise ValueError("Argument scale should be positive")
    if not isinstance(shear, (numbers.Number, list, tuple)):
        raise TypeError("Shear should be either a single value or a sequence of two values")
    shear = [shear, 0.0] if isinstance(shear, numbers.Number) else list(shear)
    shear = shear * 2 if len(shear) == 1 else shear
    if len(shear) != 2:
        raise ValueError(f"Shear should be a sequence containing two values. Got {shear}")
    return float(angle), [1.0 * t for t in translate], shear


def affine(
    img,
    angle,
    translate,
    scale,
    shear,
    interpolation=InterpolationMode.NEAREST,
    fill=None,
    center=None,
):
    """The image turned (degrees, clockwise), moved, scaled and sheared around its middle."""
    interpolation = _mode(interpolation)
    angle, translate, shear = _check_affine(angle, translate, scale, shear, center)
    if isinstance(img, flambeau.Tensor):
        center = _from_middle(img, center)
        matrix = _get_inverse_affine_matrix(center, angle, translate, scale, shear)
        return F_t.affine(img, matrix, interpolation.value, fill=fill)
    if center is None:
        _, height, width = get_dimensions(img)
        center = [width * 0.5, height * 0.5]
    matrix = _get_inverse_affine_matrix(center, angle, translate, scale, shear)
    return F_pil.affine(img, matrix, pil_modes_mapping[interpolation], fill=fill)


def _by_tensor(img, function):
    """function of the image as a tensor; Pillow's image again where it was one."""
    if isinstance(img, flambeau.Tensor):
        return function(img)
    if not _is_pil_image(img):
        raise TypeError(f"img should be PIL Image or Tensor. Got {type(img)}")
    return to_pil_image(function(pil_to_tensor(img)), mode=img.mode)


def elastic_transform(img, displacement, interpolation=InterpolationMode.BILINEAR, fill=None):
    """The image with each point moved by displacement (1, H, W, 2), of which 2 is the whole
    image."""
    interpolation = _mode(interpolation)
    if not isinstance(displacement, flambeau.Tensor):
        raise TypeError("Argument displacement should be a Tensor")
    _, height, width = get_dimensions(img)
    shape = (1, height, width, 2)
    if shape != tuple(displacement.shape):
        raise ValueError(
            f"Argument displacement shape should be {shape}, but given {displacement.shape}"
        )
    return _by_tensor(
        img, lambda t: F_t.elastic_transform(t, displacement, interpolation.value, fill)
    )


# ---- Colours -------------------------------------------------------------------------------------


def adjust_brightness(img, brightness_factor):
    """0 is black, 1 leaves, 2 is twice as bright."""
    return _of(img).adjust_brightness(img, brightness_factor)


def adjust_contrast(img, contrast_factor):
    """0 is grey, 1 leaves, 2 has twice the contrast."""
    return _of(img).adjust_contrast(img, contrast_factor)


def adjust_saturation(img, saturation_factor):
    """0 is black and white, 1 leaves, 2 has twice the colour."""
    return _of(img).adjust_saturation(img, saturation_factor)


def adjust_hue(img, hue_factor):
    """Hues turned by hue_factor of the circle, -0.5 to 0.5."""
    return _of(img).adjust_hue(img, hue_factor)


def adjust_gamma(img, gamma, gain=1):
    """gain * img ** gamma."""
    return _of(img).adjust_gamma(img, gamma, gain)


def adjust_sharpness(img, sharpness_factor):
    """0 blurs, 1 leaves, 2 sharpens twice."""
    return _of(img).adjust_sharpness(img, sharpness_factor)


def to_grayscale(img, num_output_channels=1):
    """Pillow's image in grey, of one or three channels."""
    if _is_pil_image(img):
        return F_pil.to_grayscale(img, num_output_channels)
    raise TypeError("Input should be PIL Image")


def rgb_to_grayscale(img, num_output_channels=1):
    """The image in grey, of one or three channels."""
    if isinstance(img, flambeau.Tensor):
        return F_t.rgb_to_grayscale(img, num_output_channels)
    return F_pil.to_grayscale(img, num_output_channels)


def erase(img, i, j, h, w, v, inplace=False):
    """The tensor with v in a rectangle."""
    if not isinstance(img, flambeau.Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(img)}")
    return F_t.erase(img, i, j, h, w, v, inplace=inplace)


def gaussian_blur(img, kernel_size, sigma=None):
    """The image blurred by a Gaussian; kernel_size and sigma: one number, or (x, y)."""
    if not isinstance(kernel_size, (int, list, tuple)):
        raise TypeError(
            f"kernel_size should be int or a sequence of integers. Got {type(kernel_size)}"
        )
    kernel_size = [kernel_size] * 2 if isinstance(kernel_size, int) else kernel_size
    if len(kernel_size) != 2:
        raise ValueError(
            f"If kernel_size is a sequence its length should be 2. Got {len(kernel_size)}"
        )
    if any(n % 2 == 0 or n < 0 for n in kernel_size):
        raise ValueError(
            f"kernel_size should have odd and positive integers. Got {kernel_size}"
        )
    if sigma is None:
        sigma = [n * 0.15 + 0.35 for n in kernel_size]
    if not isinstance(sigma, (int, float, list, tuple)):
        raise TypeError(f"sigma should be either float or sequence of floats. Got {type(sigma)}")
    sigma = [float(sigma)] * 2 if isinstance(sigma, (int, float)) else sigma
    sigma = [sigma[0]] * 2 if len(sigma) == 1 else sigma
    if len(sigma) != 2:
        raise ValueError(f"If sigma is a sequence, its length should be 2. Got {len(sigma)}")
    if any(s <= 0.0 for s in sigma):
        raise ValueError(f"sigma should have positive values. Got {sigma}")
    return _by_tensor(img, lambda t: F_t.gaussian_blur(t, kernel_size, sigma))


def invert(img):
    """The negative."""
    return _of(img).invert(img)


def posterize(img, bits):
    """The upper bits of each byte alone."""
    if not 0 <= bits <= 8:
        raise ValueError(f"The number if bits should be between 0 and 8. Got {bits}")
    return _of(img).posterize(img, bits)


def solarize(img, threshold):
    """The negative where img is at least threshold."""
    return _of(img).solarize(img, threshold)


def autocontrast(img):
    """Each channel stretched over the whole range."""
    return _of(img).autocontrast(img)


def equalize(img):
    """Each channel with as even a histogram as can be."""
    return _of(img).equalize(img)
