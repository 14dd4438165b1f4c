"""Transforms as functions of images, masks and boxes (source:
torchvision.transforms.v2.functional).

Images (Pillow's, tensors, tv_tensors.Image and Video) go as in transforms.functional; masks move
with them, pixels being picked and never mixed; of boxes the corners move, and the boxes around them
are taken.
"""
from __future__ import annotations

import flambeau
from flambeau.nn import functional as F_nn
from flambeau.vision import is_pillow_image, tv_tensors
from flambeau.vision.ops.boxes import box_convert
from flambeau.vision.transforms import functional as F1
from flambeau.vision.transforms.functional import InterpolationMode, pil_to_tensor, to_pil_image
from flambeau.vision.transforms.v2.functional import _blended

# Colours and the like: of images alone.
_COLORS = (
    "adjust_brightness adjust_contrast adjust_saturation adjust_hue adjust_gamma adjust_sharpness "
    "gaussian_blur invert autocontrast normalize"
).split()


def _is_box(inpt):
    return isinstance(inpt, tv_tensors.BoundingBoxes)


def _is_mask(inpt):
    return isinstance(inpt, tv_tensors.Mask)


def _rewrap(out, inpt, **how):
    """out as inpt's kind, where that is a tv_tensor."""
    if isinstance(inpt, tv_tensors.TVTensor) and isinstance(out, flambeau.Tensor):
        return tv_tensors.wrap(out, like=inpt, **how)
    return out


def _plain(inpt):
    return inpt.as_subclass(flambeau.Tensor) if isinstance(inpt, flambeau.Tensor) else inpt


def _of_colors(name):
    function = getattr(F1, name)
    of_tensors = getattr(_blended, name, function)

    def call(inpt, *args, **kwargs):
        if _is_box(inpt) or _is_mask(inpt):
            return inpt
        act = of_tensors if isinstance(inpt, flambeau.Tensor) else function
        return _rewrap(act(_plain(inpt), *args, **kwargs), inpt)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = function.__doc__
    return call


for _name in _COLORS:
    globals()[_name] = _of_colors(_name)
del _name


def _by_image(inpt, function):
    """function of an image as a plain tensor; of masks and boxes nothing."""
    if _is_box(inpt) or _is_mask(inpt):
        return inpt
    if is_pillow_image(inpt):
        return to_pil_image(function(pil_to_tensor(inpt)), inpt.mode)
    return _rewrap(function(_plain(inpt)), inpt)


def erase(inpt, i, j, h, w, v, inplace=False):
    """The image with v in a rectangle."""
    return _by_image(inpt, lambda image: F1.erase(image, i, j, h, w, v, inplace))


def equalize(inpt):
    """Each channel with as even a histogram as can be; of floats in 256 steps."""
    if _is_box(inpt) or _is_mask(inpt):
        return inpt
    if not (isinstance(inpt, flambeau.Tensor) and inpt.is_floating_point()):
        return _rewrap(F1.equalize(_plain(inpt)), inpt)
    steps = F1.convert_image_dtype(_plain(inpt), flambeau.uint8)
    return _rewrap(F1.convert_image_dtype(F1.equalize(steps), inpt.dtype), inpt)


def posterize(inpt, bits):
    """The upper bits of each number alone; floats have 2 ** bits steps."""
    if _is_box(inpt) or _is_mask(inpt):
        return inpt
    if not (isinstance(inpt, flambeau.Tensor) and inpt.is_floating_point()):
        return _rewrap(F1.posterize(_plain(inpt), bits), inpt)
    levels = 1 << bits
    return _rewrap((_plain(inpt) * levels).floor().clamp(0, levels - 1) * (1.0 / levels), inpt)


def solarize(inpt, threshold):
    """Pixels of at least the threshold inverted."""
    if _is_box(inpt) or _is_mask(inpt):
        return inpt
    if isinstance(inpt, flambeau.Tensor):
        most = 1 if inpt.is_floating_point() else flambeau.iinfo(inpt.dtype).max
        if threshold > most:
            raise TypeError(
                "Threshold should be less or equal the maximum value of the dtype, but got"
                f" {threshold}"
            )
    return _rewrap(F1.solarize(_plain(inpt), threshold), inpt)


def gaussian_noise(inpt, mean=0.0, sigma=0.1, clip=True):
    """The image, of floats or bytes, with noise of a normal distribution added."""
    if _is_box(inpt) or _is_mask(inpt):
        return inpt
    if is_pillow_image(inpt):
        raise ValueError("Gaussian Noise is not implemented for PIL images.")
    if sigma < 0:
        raise ValueError(f"sigma shouldn't be negative. Got {sigma}")
    image = _plain(inpt)
    if image.is_floating_point():
        noisy, most = image + (mean + flambeau.randn_like(image) * sigma), 1
    elif image.dtype == flambeau.uint8:
        noise = flambeau.randn_like(image, dtype=flambeau.float32) * (sigma * 255)
        noisy, most = image + (mean * 255 + noise).to(flambeau.int16), 255
    else:
        raise ValueError(
            f"Input tensor is expected to be in uint8 or float dtype, got dtype={image.dtype}"
        )
    return _rewrap((noisy.clamp(0, most) if clip else noisy).to(image.dtype), inpt)


def permute_channels(inpt, permutation):
    """The image's channels in that order, a tensor of ints."""
    return _by_image(inpt, lambda image: image.index_select(-3, flambeau.as_tensor(permutation)))


def jpeg(inpt, quality):
    """The image of bytes as it is after a JPEG file of that quality."""
    if is_pillow_image(inpt):
        from io import BytesIO

        from flambeau.vision import pillow

        with BytesIO() as file:
            inpt.save(file, format="JPEG", quality=quality)
            return pillow("Image").open(file).copy()
    return _by_image(inpt, lambda image: _jpeg_bytes(image, quality))


def _jpeg_bytes(image, quality):
    from flambeau.vision.io import decode_jpeg, encode_jpeg

    batch = image.reshape(-1, *image.shape[-3:])
    done = [decode_jpeg(encode_jpeg(one.contiguous(), quality=quality)) for one in batch]
    return flambeau.stack(done).view(image.shape) if done else image.clone()


def uniform_temporal_subsample(inpt, num_samples):
    """num_samples of a video's frames, (..., T, C, H, W), at equal distances."""
    if not isinstance(inpt, flambeau.Tensor) or isinstance(
        inpt, (tv_tensors.Image, tv_tensors.BoundingBoxes, tv_tensors.Mask)
    ):
        return inpt
    frames = flambeau.linspace(0, inpt.shape[-4] - 1, num_samples).long()
    return _rewrap(_plain(inpt).index_select(-4, frames), inpt)


def rgb_to_grayscale(inpt, num_output_channels=1):
    """The image in grey, of one or three channels."""
    if num_output_channels not in (1, 3):
        raise ValueError(f"num_output_channels must be 1 or 3, got {num_output_channels}.")
    if isinstance(inpt, (tv_tensors.BoundingBoxes, tv_tensors.Mask, tv_tensors.Video)):
        return inpt
    if num_output_channels == 3 and not is_pillow_image(inpt) and inpt.shape[-3] == 1:
        return grayscale_to_rgb(inpt)
    return _rewrap(F1.rgb_to_grayscale(_plain(inpt), num_output_channels), inpt)


# ---- What things are -----------------------------------------------------------------------------


def get_size(inpt):
    """[height, width]."""
    if _is_box(inpt):
        return list(inpt.canvas_size)
    if _is_mask(inpt):
        return list(inpt.shape[-2:])
    return F1.get_dimensions(inpt)[1:]


def get_dimensions(inpt):
    """[channels, height, width]."""
    return F1.get_dimensions(inpt)


def get_num_channels(inpt):
    """The number of channels."""
    return F1.get_image_num_channels(inpt)


get_image_num_channels = get_num_channels


def get_num_frames(inpt):
    """The number of a video's frames."""
    return inpt.shape[-4]


def get_image_size(inpt):
    """[width, height]."""
    return get_size(inpt)[::-1]


# ---- Kinds and dtypes ----------------------------------------------------------------------------


def to_image(inpt):
    """A tv_tensors.Image of an image, an array (H, W, C) or a tensor."""
    if is_pillow_image(inpt):
        return tv_tensors.Image(pil_to_tensor(inpt))
    if isinstance(inpt, flambeau.Tensor):
        return tv_tensors.Image(inpt)
    if hasattr(inpt, "__array__"):
        tensor = flambeau.from_numpy(inpt)
        tensor = tensor.unsqueeze(-1) if tensor.ndim < 3 else tensor
        return tv_tensors.Image(tensor.permute(2, 0, 1).contiguous())
    raise TypeError(
        "Input can either be a pure Tensor, a numpy array, or a PIL image, but got "
        f"{type(inpt)} instead."
    )


def to_dtype(inpt, dtype=flambeau.float32, scale=False):
    """The tensor in another dtype; scale: full brightness stays full brightness."""
    if scale and not (_is_box(inpt) or _is_mask(inpt)):
        return _rewrap(F1.convert_image_dtype(_plain(inpt), dtype), inpt)
    return _rewrap(_plain(inpt).to(dtype), inpt)


def convert_image_dtype(image, dtype=flambeau.float32):
    """to_dtype with scale."""
    return to_dtype(image, dtype, scale=True)


def convert_bounding_box_format(inpt, old_format=None, new_format=None, inplace=False):
    """Boxes in another format. Those of integers stay so: their middles are rounded down, the corners
    that they give towards 0."""
    tagged = _is_box(inpt)
    old = inpt.format if tagged else tv_tensors.BoundingBoxFormat(_format_name(old_format))
    new = tv_tensors.BoundingBoxFormat(_format_name(new_format))
    corners = box_convert(_plain(inpt), old.value.lower(), "xyxy").to(inpt.dtype)
    out = box_convert(corners, "xyxy", new.value.lower())
    if out.dtype != corners.dtype:
        out = out.floor().to(corners.dtype)
    return tv_tensors.wrap(out, like=inpt, format=new) if tagged else out


def _format_name(value):
    return value.upper() if isinstance(value, str) else value.value


def clamp_bounding_boxes(inpt, format=None, canvas_size=None):
    """Boxes held inside their image."""
    height, width = inpt.canvas_size if _is_box(inpt) else canvas_size

    def held(corners):
        x, y = corners[:, 0::2].clamp(0, width), corners[:, 1::2].clamp(0, height)
        return flambeau.stack((x, y), -1).reshape(corners.shape)

    if _is_box(inpt):
        return _move_boxes(inpt, held)
    name = _format_name(format).lower()
    return box_convert(held(box_convert(inpt, name, "xyxy")), "xyxy", name)


def _move_boxes(boxes, move, canvas_size=None, clamp=False):
    """Boxes whose corners (N, 4) are what move() makes of them."""
    name = boxes.format.value.lower()
    corners = move(box_convert(_plain(boxes), name, "xyxy"))
    size = canvas_size or boxes.canvas_size
    if clamp:
        x, y = corners[:, 0::2].clamp(0, size[1]), corners[:, 1::2].clamp(0, size[0])
        corners = flambeau.stack((x, y), -1).reshape(corners.shape)
    out = box_convert(corners.to(boxes.dtype), "xyxy", name)
    return tv_tensors.wrap(out, like=boxes, canvas_size=tuple(size))


def _by_points(boxes, move, canvas_size=None):
    """Boxes around what move(x, y) makes of the four corners of each."""

    def around(corners):
        c = corners.to(flambeau.float32)
        x, y = move(c[:, [0, 2, 2, 0]], c[:, [1, 1, 3, 3]])
        return flambeau.stack((x.amin(1), y.amin(1), x.amax(1), y.amax(1)), 1)

    return _move_boxes(boxes, around, canvas_size, clamp=True)


def _of_image(name, inpt, *args, **kwargs):
    """A function of transforms.functional on an image, or on a mask without mixing pixels."""
    if "interpolation" in kwargs:
        kwargs["interpolation"] = _mode(kwargs["interpolation"])
    if _is_mask(inpt):
        if "interpolation" in kwargs:
            kwargs["interpolation"] = InterpolationMode.NEAREST
        flat = inpt.ndim == 2
        image = _plain(inpt).unsqueeze(0) if flat else _plain(inpt)
        out = getattr(F1, name)(image, *args, **kwargs)
        return tv_tensors.wrap(out.squeeze(0) if flat else out, like=inpt)
    image = _plain(inpt)
    if isinstance(image, flambeau.Tensor) and image.ndim > 4 and name in _OF_BATCHES:
        out = getattr(F1, name)(image.reshape(-1, *image.shape[-3:]), *args, **kwargs)
        return _rewrap(out.reshape(*image.shape[:-3], *out.shape[-3:]), inpt)
    return _rewrap(getattr(F1, name)(image, *args, **kwargs), inpt)


_OF_BATCHES = ("affine", "rotate", "perspective", "elastic_transform", "resize")  # of one dim


def _mode(interpolation):
    """An InterpolationMode of one, of its value or of Pillow's number for it."""
    if isinstance(interpolation, str):
        return InterpolationMode(interpolation)
    return F1._mode(interpolation)


# ---- Size and place ------------------------------------------------------------------------------


def horizontal_flip(inpt):
    """Mirrored."""
    if _is_box(inpt):
        width = inpt.canvas_size[1]
        return _move_boxes(
            inpt, lambda c: flambeau.stack((width - c[:, 2], c[:, 1], width - c[:, 0], c[:, 3]), 1)
        )
    return _of_image("hflip", inpt)


def vertical_flip(inpt):
    """Upside down."""
    if _is_box(inpt):
        height = inpt.canvas_size[0]
        return _move_boxes(
            inpt,
            lambda c: flambeau.stack((c[:, 0], height - c[:, 3], c[:, 2], height - c[:, 1]), 1),
        )
    return _of_image("vflip", inpt)


hflip, vflip = horizontal_flip, vertical_flip


def resize(
    inpt, size, interpolation=InterpolationMode.BILINEAR, max_size=None, antialias=True
):
    """The image in another size: (height, width), that of its shorter edge, or (None) that of its
    longer edge."""
    old = get_size(inpt)
    wanted = [size] if isinstance(size, int) else size
    new = F1._compute_resized_output_size(old, wanted, max_size, allow_size_none=True)
    if _is_box(inpt):
        ratio = flambeau.tensor([new[1] / old[1], new[0] / old[0]] * 2)
        return _move_boxes(inpt, lambda c: c * ratio, new)
    interpolation = _mode(interpolation)
    smooth = interpolation in (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC)
    if smooth and getattr(inpt, "dtype", None) == flambeau.uint8 and not _is_mask(inpt):
        return _rewrap(_resize_bytes(_plain(inpt), new, interpolation.value, antialias), inpt)
    return _of_image("resize", inpt, new, interpolation=interpolation, antialias=antialias)


def _resize_bytes(image, size, mode, antialias):
    """An image of bytes resized as bytes, by weights of 16 bits."""
    if list(image.shape[-2:]) == list(size):
        return image
    batch = image.reshape(-1, *image.shape[-3:]) if image.ndim > 2 else image[None, None]
    out = F_nn.interpolate(
        batch, size=list(size), mode=mode, align_corners=False, antialias=bool(antialias)
    )
    return out.reshape(*image.shape[:-2], *size)


def crop(inpt, top, left, height, width):
    """A part of the image."""
    if _is_box(inpt):
        shift = flambeau.tensor([left, top, left, top])
        return _move_boxes(inpt, lambda c: c - shift, (height, width), clamp=True)
    return _of_image("crop", inpt, top, left, height, width)


def center_crop(inpt, output_size):
    """The middle of the image, padded by 0 where it is too small."""
    height, width = F1._pair(output_size)
    if _is_box(inpt):
        h, w = inpt.canvas_size
        return crop(inpt, int(round((h - height) / 2)), int(round((w - width) / 2)), height, width)
    return _of_image("center_crop", inpt, [height, width])


def resized_crop(
    inpt,
    top,
    left,
    height,
    width,
    size,
    interpolation=InterpolationMode.BILINEAR,
    antialias=True,
):
    """A part of the image in another size."""
    part = crop(inpt, top, left, height, width)
    return resize(part, size, interpolation=interpolation, antialias=antialias)


def pad(inpt, padding, fill=None, padding_mode="constant"):
    """Margins around the image; padding: one number, (left/right, top/bottom), or (left, top,
    right, bottom)."""
    if _is_box(inpt):
        left, right, top, bottom = F1.F_t._sides(padding)
        h, w = inpt.canvas_size
        shift = flambeau.tensor([left, top, left, top])
        size = h + top + bottom, w + left + right
        return _move_boxes(inpt, lambda c: c + shift, size, clamp=True)
    return _of_image("pad", inpt, padding, 0 if fill is None else fill, padding_mode)


def five_crop(inpt, size):
    """The four corners and the middle."""
    return tuple(_rewrap(part, inpt) for part in F1.five_crop(_plain(inpt), size))


def ten_crop(inpt, size, vertical_flip=False):
    """five_crop of the image and of its mirror image."""
    return tuple(_rewrap(part, inpt) for part in F1.ten_crop(_plain(inpt), size, vertical_flip))


# ---- Geometry ------------------------------------------------------------------------------------


def _affine_boxes(boxes, angle, translate, scale, shear, center, canvas_size=None):
    h, w = boxes.canvas_size
    center = [w * 0.5, h * 0.5] if center is None else center
    m = F1._get_inverse_affine_matrix(center, angle, translate, scale, shear, inverted=False)
    return _by_points(
        boxes,
        lambda x, y: (m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5]),
        canvas_size,
    )


def affine(
    inpt,
    angle,
    translate,
    scale,
    shear,
    interpolation=InterpolationMode.NEAREST,
    fill=None,
    center=None,
):
    """The image turned (degrees, clockwise), moved, scaled and sheared around its middle."""
    if _is_box(inpt):
        angle, translate, shear = F1._check_affine(angle, translate, scale, shear, center)
        return _affine_boxes(inpt, angle, translate, scale, shear, center)
    return _of_image(
        "affine",
        inpt,
        angle,
        translate,
        scale,
        shear,
        interpolation=interpolation,
        fill=fill,
        center=center,
    )


def rotate(
    inpt, angle, interpolation=InterpolationMode.NEAREST, expand=False, center=None, fill=None
):
    """The image turned counter-clockwise by degrees."""
    if _is_box(inpt):
        if expand:
            raise NotImplementedError("boxes cannot be rotated with expand=True yet")
        return _affine_boxes(inpt, -angle, [0.0, 0.0], 1.0, [0.0, 0.0], center)
    return _of_image(
        "rotate", inpt, angle, interpolation=interpolation, expand=expand, center=center, fill=fill
    )


def perspective(
    inpt,
    startpoints,
    endpoints,
    interpolation=InterpolationMode.BILINEAR,
    fill=None,
    coefficients=None,
):
    """The image seen from another place: its four startpoints go to the endpoints."""
    if coefficients is not None:
        raise NotImplementedError("perspective takes points, not coefficients")
    if _is_box(inpt):
        a, b, c, d, e, f, g, h = F1._get_perspective_coeffs(endpoints, startpoints)
        return _by_points(
            inpt,
            lambda x, y: (
                (a * x + b * y + c) / (g * x + h * y + 1),
                (d * x + e * y + f) / (g * x + h * y + 1),
            ),
        )
    return _of_image(
        "perspective", inpt, startpoints, endpoints, interpolation=interpolation, fill=fill
    )


def elastic(inpt, displacement, interpolation=InterpolationMode.BILINEAR, fill=None):
    """The image with each point moved by displacement (1, H, W, 2)."""
    if _is_box(inpt):
        return _elastic_boxes(inpt, displacement)
    return _of_image(
        "elastic_transform", inpt, displacement, interpolation=interpolation, fill=fill
    )


def _elastic_boxes(boxes, displacement):
    """Boxes around where their corners come to lie: a point goes back by the displacement that is
    there, which is nearly the inverse."""
    height, width = boxes.canvas_size
    if tuple(displacement.shape) != (1, height, width, 2):
        raise ValueError(
            f"Argument displacement shape should be {(1, height, width, 2)}, but given"
            f" {displacement.shape}"
        )
    size = flambeau.tensor([width, height], dtype=flambeau.float32)

    def around(corners):
        points = corners[:, [[0, 1], [2, 1], [2, 3], [0, 3]]].ceil().long()
        x, y = points[..., 0].clamp(0, width - 1), points[..., 1].clamp(0, height - 1)
        place = (2 * flambeau.stack((x, y), -1) + 1 - size) / size
        moved = place - displacement[0, y, x].to(place.dtype)
        moved = (moved + 1) * (0.5 * size) - 0.5
        return flambeau.cat((moved.amin(1), moved.amax(1)), 1)

    return _move_boxes(boxes, around, clamp=True)


elastic_transform = elastic
to_grayscale = rgb_to_grayscale


def grayscale_to_rgb(inpt):
    """The image in three channels."""
    if is_pillow_image(inpt):
        return inpt.convert("RGB")
    if inpt.shape[-3] >= 3:
        return inpt
    return _rewrap(_plain(inpt).repeat(*[1] * (inpt.ndim - 3), 3, 1, 1), inpt)
