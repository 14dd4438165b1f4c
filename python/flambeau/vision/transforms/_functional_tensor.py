"""Transforms of image tensors (..., C, H, W) by Flambeau's operators (source:
torchvision.transforms._functional_tensor).

Integers hold 0 to the greatest number of their dtype, floats 0 to 1. What needs floats of an image
of integers computes in float32 and rounds back.
"""
from __future__ import annotations

import warnings

import flambeau
from flambeau.nn import functional as F

_GREATEST = {
    flambeau.uint8: 255,
    flambeau.int8: 127,
    flambeau.int16: 32767,
    flambeau.int32: 2147483647,
    flambeau.int64: 9223372036854775807,
}


def _max_value(dtype):
    """The number that stands for full brightness in dtype."""
    return _GREATEST.get(dtype, 1)


def _assert_image_tensor(img):
    if not (isinstance(img, flambeau.Tensor) and img.ndim >= 2):
        raise TypeError("Tensor is not a torch image.")


def _assert_channels(img, permitted):
    channels = get_dimensions(img)[0]
    if channels not in permitted:
        raise TypeError(
            f"Input image tensor permitted channel values are {permitted}, but found {channels}"
        )


def _assert_color(img, dims=3):
    _assert_image_tensor(img)
    if img.ndim < dims:
        raise TypeError(
            f"Input image tensor should have at least {dims} dimensions, but found {img.ndim}"
        )
    _assert_channels(img, [1, 3])


def get_dimensions(img):
    """[channels, height, width]."""
    _assert_image_tensor(img)
    return [1 if img.ndim == 2 else img.shape[-3], *img.shape[-2:]]


def get_image_size(img):
    """[width, height]."""
    _assert_image_tensor(img)
    return [img.shape[-1], img.shape[-2]]


def get_image_num_channels(img):
    """The number of channels."""
    return get_dimensions(img)[0]


def convert_image_dtype(image, dtype=flambeau.float32):
    """The image in another dtype, full brightness staying full brightness."""
    if image.dtype == dtype:
        return image
    to_float = dtype.is_floating_point
    if image.is_floating_point():
        if to_float:
            return image.to(dtype)
        if (image.dtype == flambeau.float32 and dtype in (flambeau.int32, flambeau.int64)) or (
            image.dtype == flambeau.float64 and dtype == flambeau.int64
        ):
            raise RuntimeError(
                f"The cast from {image.dtype} to {dtype} cannot be performed safely."
            )
        # Just below the next integer, so that every integer gets an equal share of 0 to 1.
        return image.mul(float(_max_value(dtype)) + 1.0 - 1e-3).to(dtype)
    old, new = float(_max_value(image.dtype)), float(_max_value(dtype))
    if to_float:
        return image.to(dtype) / old
    if old > new:
        factor = int((old + 1) // (new + 1))
        return flambeau.div(image, factor, rounding_mode="floor").to(dtype)
    return image.to(dtype) * int((new + 1) // (old + 1))


# ---- Places --------------------------------------------------------------------------------------


def vflip(img):
    """Upside down."""
    _assert_image_tensor(img)
    return img.flip(-2)


def hflip(img):
    """Mirrored."""
    _assert_image_tensor(img)
    return img.flip(-1)


def crop(img, top, left, height, width):
    """A part of the image, 0 where it reaches out of it."""
    _, h, w = get_dimensions(img)
    bottom, right = top + height, left + width
    part = img[..., max(top, 0):max(bottom, 0), max(left, 0):max(right, 0)]
    if left >= 0 and top >= 0 and right <= w and bottom <= h:
        return part
    margins = [
        max(min(right, 0) - left, 0),
        max(min(bottom, 0) - top, 0),
        max(right - max(w, left), 0),
        max(bottom - max(h, top), 0),
    ]
    return pad(part, margins, fill=0)


def _sides(padding):
    """[left, right, top, bottom] of what users give as padding."""
    if isinstance(padding, int):
        return [padding] * 4
    if len(padding) == 1:
        return [padding[0]] * 4
    if len(padding) == 2:
        return [padding[0], padding[0], padding[1], padding[1]]
    return [padding[0], padding[2], padding[1], padding[3]]


def _pad_symmetric(img, sides):
    if img.ndim not in (3, 4):
        raise RuntimeError("Symmetric padding of N-D tensors are not supported yet")
    for dim, (before, after) in ((-1, sides[:2]), (-2, sides[2:])):
        n = img.shape[dim]
        first, last = max(-before, 0), n - max(-after, 0)
        kept = list(range(first, last))
        order = kept[:max(before, 0)][::-1] + kept + kept[::-1][:max(after, 0)]
        if len(order) != n + before + after:
            raise IndexError(
                f"index {len(kept)} is out of bounds for dimension {img.ndim + dim} with size "
                f"{len(kept)}"
            )
        img = img.index_select(dim, flambeau.tensor(order, dtype=flambeau.int64))
    return img


def check_pad(padding, fill, padding_mode):
    """Refuses what pad does not take."""
    if not isinstance(padding, (int, tuple, list)):
        raise TypeError("Got inappropriate padding arg")
    if not isinstance(padding_mode, str):
        raise TypeError("Got inappropriate padding_mode arg")
    if not isinstance(padding, int) and len(padding) not in (1, 2, 4):
        raise ValueError(
            "Padding must be an int or a 1, 2, or 4 element tuple, not a "
            f"{len(padding)} element tuple"
        )
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError(
            "Padding mode should be either constant, edge, reflect or symmetric"
        )


def pad(img, padding, fill=0, padding_mode="constant"):
    """Margins around the image: of a number, or of its own edge (edge, reflect, symmetric)."""
    _assert_image_tensor(img)
    fill = 0 if fill is None else fill
    check_pad(padding, fill, padding_mode)
    if not isinstance(fill, (int, float)):
        raise TypeError("Got inappropriate fill arg")
    sides = _sides(padding)
    if padding_mode == "symmetric":
        return _pad_symmetric(img, sides)
    if padding_mode == "constant":
        return F.pad(img, sides, value=float(fill))
    floats = (flambeau.float32, flambeau.float64)
    image, undo = _batch_of(img, floats)
    image = F.pad(image, sides, mode="replicate" if padding_mode == "edge" else padding_mode)
    return undo(image, round=False)


def _batch_of(img, dtypes):
    """The image as (N, C, H, W) and one of dtypes (else the first), and what takes this back."""
    kept, batched = img.dtype, img.ndim >= 4

    def undo(image, round=True):
        image = image if batched else image.squeeze(0)
        if image.dtype != kept:
            image = (image.round() if round and not kept.is_floating_point else image).to(kept)
        return image

    image = img if batched else img.unsqueeze(0)
    return (image if kept in dtypes else image.to(dtypes[0])), undo


def resize(img, size, interpolation="bilinear", antialias=True):
    """The image in another size (height, width)."""
    _assert_image_tensor(img)
    smooth = interpolation in ("bilinear", "bicubic")
    image, undo = _batch_of(img, (flambeau.float32, flambeau.float64))
    image = F.interpolate(
        image,
        size=list(size),
        mode=interpolation,
        align_corners=False if smooth else None,
        antialias=bool(antialias) and smooth,
    )
    if interpolation == "bicubic" and img.dtype == flambeau.uint8:
        image = image.clamp(min=0, max=255)
    return undo(image)


# ---- Geometry ------------------------------------------------------------------------------------


def check_grid(img, interpolation, fill):
    """Refuses what cannot be sampled on a grid."""
    _assert_image_tensor(img)
    channels = get_dimensions(img)[0]
    if fill is not None and not isinstance(fill, (int, float, tuple, list)):
        warnings.warn("Argument fill should be either int, float, tuple or list")
    if isinstance(fill, (tuple, list)) and len(fill) > 1 and len(fill) != channels:
        raise ValueError(
            "The number of elements in 'fill' cannot broadcast to match the number of channels of "
            f"the image ({len(fill)} != {channels})"
        )
    if interpolation not in ("nearest", "bilinear"):
        raise ValueError(f"Interpolation mode '{interpolation}' is unsupported with Tensor input")


def sample(img, grid, mode, fill):
    """The image at a grid's points; what lies out of it is 0 or `fill`."""
    image, undo = _batch_of(img, (grid.dtype,))
    if image.shape[0] > 1:
        grid = grid.expand(image.shape[0], *grid.shape[1:])
    if fill is not None:  # one channel more tells how much of a point lies inside
        ones = flambeau.ones((image.shape[0], 1, *image.shape[2:]), dtype=image.dtype)
        image = flambeau.cat((image, ones), 1)
    image = F.grid_sample(image, grid, mode=mode, padding_mode="zeros", align_corners=False)
    if fill is not None:
        inside = image[:, -1:].expand_as(image[:, :-1])
        image = image[:, :-1]
        values = fill if isinstance(fill, (tuple, list)) else [float(fill)]
        outside = flambeau.tensor(values, dtype=image.dtype).view(1, len(values), 1, 1)
        outside = outside.expand_as(image)
        if mode == "nearest":
            image = flambeau.where(inside < 0.5, outside, image)
        else:
            image = image * inside + (1.0 - inside) * outside
    return undo(image)


def _points(first_x, first_y, width, height, dtype):
    """(1, height * width, 3): x, y and 1 of points one apart."""
    x = flambeau.linspace(first_x, first_x + width - 1, steps=width).to(dtype)
    y = flambeau.linspace(first_y, first_y + height - 1, steps=height).to(dtype)
    points = flambeau.stack(
        (
            x.expand(height, width),
            y.unsqueeze(-1).expand(height, width),
            flambeau.ones(height, width, dtype=dtype),
        ),
        -1,
    )
    return points.view(1, height * width, 3)


def affine_grid(matrix, size, out, dtype):
    """The grid of points that the matrix (2 x 3, of pixels around the middle) asks for."""
    (w, h), (ow, oh) = size, out
    theta = flambeau.tensor(matrix, dtype=dtype).reshape(1, 2, 3)
    half = flambeau.tensor([0.5 * w, 0.5 * h], dtype=dtype)
    points = _points(-ow * 0.5 + 0.5, -oh * 0.5 + 0.5, ow, oh, dtype)
    return points.bmm(theta.transpose(1, 2) / half).view(1, oh, ow, 2)


def perspective_grid(coeffs, size, dtype):
    """The grid of points that eight coefficients of a perspective ask for (Pillow's order)."""
    ow, oh = size
    above = flambeau.tensor([[coeffs[:3], coeffs[3:6]]], dtype=dtype)
    below = flambeau.tensor([[[*coeffs[6:], 1.0]] * 2], dtype=dtype)
    half = flambeau.tensor([0.5 * ow, 0.5 * oh], dtype=dtype)
    points = _points(0.5, 0.5, ow, oh, dtype)
    grid = points.bmm(above.transpose(1, 2) / half) / points.bmm(below.transpose(1, 2)) - 1.0
    return grid.view(1, oh, ow, 2)


def _float_of(img):
    return img.dtype if img.is_floating_point() else flambeau.float32


def affine(img, matrix, interpolation="nearest", fill=None):
    """The image moved by an inverse matrix of six numbers."""
    check_grid(img, interpolation, fill)
    size = get_image_size(img)
    return sample(img, affine_grid(matrix, size, size, _float_of(img)), interpolation, fill)


def expanded_size(matrix, w, h):
    """[width, height] that holds the whole image after the matrix."""
    corners = flambeau.tensor(
        [[x * w, y * h, 1.0] for x, y in ((-0.5, -0.5), (-0.5, 0.5), (0.5, 0.5), (0.5, -0.5))]
    )
    corners = flambeau.matmul(corners, flambeau.tensor(matrix).view(2, 3).T)
    half, grain = flambeau.tensor((w * 0.5, h * 0.5)), 1e-4
    least, most = corners.amin(0) + half, corners.amax(0) + half
    size = ((most / grain).trunc() * grain).ceil() - ((least / grain).trunc() * grain).floor()
    return [int(n) for n in size.tolist()]


def rotate(img, matrix, interpolation="nearest", expand=False, fill=None):
    """The image turned by an inverse matrix of six numbers, enlarged to hold all of it if asked."""
    check_grid(img, interpolation, fill)
    size = get_image_size(img)
    out = expanded_size(matrix, *size) if expand else size
    return sample(img, affine_grid(matrix, size, out, _float_of(img)), interpolation, fill)


def perspective(img, perspective_coeffs, interpolation="bilinear", fill=None):
    """The image seen from another place."""
    check_grid(img, interpolation, fill)
    if len(perspective_coeffs) != 8:
        raise ValueError("Argument coeffs should have 8 float values")
    grid = perspective_grid(perspective_coeffs, get_image_size(img), _float_of(img))
    return sample(img, grid, interpolation, fill)


def elastic_transform(img, displacement, interpolation="bilinear", fill=None):
    """The image with each point displaced (Simard et al., 2003)."""
    check_grid(img, interpolation, fill)
    h, w = img.shape[-2:]
    y, x = (flambeau.linspace((1 - n) / n, (n - 1) / n, n) for n in (h, w))
    grid = flambeau.stack((x.expand(h, w), y.unsqueeze(-1).expand(h, w)), -1).unsqueeze(0)
    grid = grid.to(_float_of(img)) + displacement.to(_float_of(img))
    return sample(img, grid, interpolation, fill)


# ---- Neighbourhoods ------------------------------------------------------------------------------


def gaussian_kernel(size, sigma, dtype):
    """`size` weights of a Gaussian that add up to 1."""
    half = (size - 1) * 0.5
    x = flambeau.linspace(-half, half, steps=size, dtype=dtype)
    density = flambeau.exp(-0.5 * (x / sigma).pow(2))
    return density / density.sum()


def gaussian_blur(img, kernel_size, sigma):
    """The image blurred by a Gaussian; kernel_size and sigma are (x, y)."""
    _assert_image_tensor(img)
    dtype = _float_of(img)
    x, y = (gaussian_kernel(n, s, dtype) for n, s in zip(kernel_size, sigma))
    kernel = flambeau.mm(y[:, None], x[None, :])
    image, undo = _batch_of(img, (dtype,))
    channels = image.shape[-3]
    half = [kernel_size[0] // 2] * 2 + [kernel_size[1] // 2] * 2
    image = F.pad(image, half, mode="reflect")
    kernel = kernel.expand(channels, 1, *kernel.shape)
    return undo(F.conv2d(image, kernel, groups=channels))


def adjust_sharpness(img, sharpness_factor):
    """0 blurs, 1 leaves, 2 sharpens twice."""
    if sharpness_factor < 0:
        raise ValueError(f"sharpness_factor ({sharpness_factor}) is not non-negative.")
    _assert_color(img, 2)
    if img.size(-1) <= 2 or img.size(-2) <= 2:
        return img
    image, undo = _batch_of(img, (_float_of(img),))
    channels = image.shape[-3]
    kernel = flambeau.ones((3, 3), dtype=image.dtype)
    kernel[1, 1] = 5.0
    kernel = (kernel / kernel.sum()).expand(channels, 1, 3, 3)
    soft = img.clone()
    soft[..., 1:-1, 1:-1] = undo(F.conv2d(image, kernel, groups=channels))
    return blend(img, soft, sharpness_factor)


# ---- Colours -------------------------------------------------------------------------------------


def blend(img, other, ratio):
    """ratio parts of img and 1 - ratio of other."""
    ratio = float(ratio)
    mixed = ratio * img + (1.0 - ratio) * other
    return mixed.clamp(0, _max_value(img.dtype)).to(img.dtype)


def rgb_to_grayscale(img, num_output_channels=1):
    """Luma (ITU-R 601), in one or three channels."""
    _assert_color(img)
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    if img.shape[-3] == 3:
        r, g, b = img.unbind(dim=-3)
        gray = (0.2989 * r + 0.587 * g + 0.114 * b).to(img.dtype).unsqueeze(-3)
    else:
        gray = img.clone()
    return gray.expand(img.shape) if num_output_channels == 3 else gray


def adjust_brightness(img, brightness_factor):
    """0 is black, 1 leaves, 2 is twice as bright."""
    if brightness_factor < 0:
        raise ValueError(f"brightness_factor ({brightness_factor}) is not non-negative.")
    _assert_color(img, 2)
    return blend(img, flambeau.zeros_like(img), brightness_factor)


def adjust_contrast(img, contrast_factor):
    """0 is grey, 1 leaves, 2 has twice the contrast."""
    if contrast_factor < 0:
        raise ValueError(f"contrast_factor ({contrast_factor}) is not non-negative.")
    _assert_color(img, 2)
    gray = rgb_to_grayscale(img) if get_dimensions(img)[0] == 3 else img
    mean = gray.to(_float_of(img)).mean(dim=(-3, -2, -1) if img.ndim > 2 else None, keepdim=True)
    return blend(img, mean, contrast_factor)


def adjust_saturation(img, saturation_factor):
    """0 is black and white, 1 leaves, 2 has twice the colour."""
    if saturation_factor < 0:
        raise ValueError(f"saturation_factor ({saturation_factor}) is not non-negative.")
    _assert_color(img, 2)
    if get_dimensions(img)[0] == 1:
        return img
    return blend(img, rgb_to_grayscale(img), saturation_factor)


def rgb_to_hsv(img):
    """Hue, saturation and value, each 0 to 1, as Pillow has them."""
    r, g, b = img.unbind(dim=-3)
    most, least = img.amax(-3), img.amin(-3)
    gray, span = most == least, most - least
    ones = flambeau.ones_like(most)
    saturation = span / flambeau.where(gray, ones, most)
    divisor = flambeau.where(gray, ones, span)
    rc, gc, bc = ((most - part) / divisor for part in (r, g, b))
    is_red = most == r
    is_green = (most == g) & ~is_red
    is_blue = (most != g) & ~is_red
    hue = is_red * (bc - gc) + is_green * (2.0 + rc - bc) + is_blue * (4.0 + gc - rc)
    hue = (hue / 6.0 + 1.0).fmod(1.0)
    return flambeau.stack((hue, saturation, most), dim=-3)


def hsv_to_rgb(img):
    """The way back from rgb_to_hsv."""
    h, s, v = img.unbind(dim=-3)
    sextant = (h * 6.0).floor()
    f = h * 6.0 - sextant
    sextant = sextant.to(flambeau.int32) % 6
    p = (v * (1.0 - s)).clamp(0.0, 1.0)
    q = (v * (1.0 - s * f)).clamp(0.0, 1.0)
    t = (v * (1.0 - s * (1.0 - f))).clamp(0.0, 1.0)
    sextant = sextant.unsqueeze(-3).to(flambeau.int64)
    return flambeau.cat(
        [
            flambeau.stack(parts, -3).gather(-3, sextant)
            for parts in ((v, q, p, p, t, v), (t, v, v, q, p, p), (p, p, t, v, v, q))
        ],
        -3,
    )


def adjust_hue(img, hue_factor):
    """Hues turned by hue_factor of the circle."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    _assert_color(img, 2)
    if get_dimensions(img)[0] == 1:
        return img
    h, s, v = rgb_to_hsv(convert_image_dtype(img, flambeau.float32)).unbind(dim=-3)
    turned = flambeau.stack(((h + hue_factor) % 1.0, s, v), dim=-3)
    return convert_image_dtype(hsv_to_rgb(turned), img.dtype)


def adjust_gamma(img, gamma, gain=1):
    """gain * img ** gamma."""
    _assert_channels(img, [1, 3])
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    image = img if img.is_floating_point() else convert_image_dtype(img, flambeau.float32)
    return convert_image_dtype((gain * image.pow(gamma)).clamp(0, 1), img.dtype)


def invert(img):
    """The negative."""
    _assert_color(img)
    return _max_value(img.dtype) - img


def posterize(img, bits):
    """The upper bits of each byte alone."""
    _assert_color(img)
    if img.dtype != flambeau.uint8:
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {img.dtype}")
    return img & (256 - 2 ** (8 - bits))


def solarize(img, threshold):
    """The negative where img is at least threshold."""
    _assert_color(img)
    if threshold > _max_value(img.dtype):
        raise TypeError("Threshold should be less than bound of img.")
    return flambeau.where(img >= threshold, invert(img), img)


def autocontrast(img):
    """Each channel stretched from black to full brightness."""
    _assert_color(img)
    bound, dtype = _max_value(img.dtype), _float_of(img)
    least = img.amin(dim=(-2, -1), keepdim=True).to(dtype)
    most = img.amax(dim=(-2, -1), keepdim=True).to(dtype)
    flat = most == least
    scale = bound / flambeau.where(flat, flambeau.full_like(most, bound), most - least)
    least = flambeau.where(flat, flambeau.zeros_like(least), least)
    return ((img - least) * scale).clamp(0, bound).to(img.dtype)


def _equalize_channel(channel):
    histogram = channel.reshape(-1).bincount(minlength=256)
    step = int(histogram[histogram != 0][:-1].sum()) // 255
    if step == 0:
        return channel
    table = (histogram.cumsum(0) + step // 2).div(step, rounding_mode="floor")
    table = F.pad(table, [1, 0])[:-1].clamp(0, 255)
    return table[channel.to(flambeau.int64)].to(flambeau.uint8)


def equalize(img):
    """Each channel with as even a histogram as can be."""
    _assert_image_tensor(img)
    if not 3 <= img.ndim <= 4:
        raise TypeError(f"Input image tensor should have 3 or 4 dimensions, but found {img.ndim}")
    if img.dtype != flambeau.uint8:
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {img.dtype}")
    _assert_channels(img, [1, 3])
    flat = img.reshape(-1, *img.shape[-2:])
    return flambeau.stack([_equalize_channel(channel) for channel in flat]).reshape(img.shape)


def normalize(tensor, mean, std, inplace=False):
    """(tensor - mean) / std, channel by channel."""
    _assert_image_tensor(tensor)
    if not tensor.is_floating_point():
        raise TypeError(f"Input tensor should be a float tensor. Got {tensor.dtype}.")
    if tensor.ndim < 3:
        raise ValueError(
            "Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = "
            f"{tensor.size()}"
        )
    mean, std = (flambeau.as_tensor(value, dtype=tensor.dtype) for value in (mean, std))
    if (std == 0).any():
        raise ValueError(
            f"std evaluated to zero after conversion to {tensor.dtype}, leading to division by "
            "zero."
        )
    mean, std = (t.view(-1, 1, 1) if t.ndim == 1 else t for t in (mean, std))
    # In place on a copy: one channel does not become three by broadcasting.
    tensor = tensor if inplace else tensor.clone()
    return tensor.sub_(mean).div_(std)


def erase(img, i, j, h, w, v, inplace=False):
    """The image with v in a rectangle."""
    _assert_image_tensor(img)
    img = img if inplace else img.clone()
    img[..., i:i + h, j:j + w] = v
    return img
