"""Grids of images, boxes and masks drawn on images (source: torchvision.utils)."""
from __future__ import annotations

import math
import warnings

import flambeau
from flambeau.vision import pillow
from flambeau.vision.transforms.functional import (
    convert_image_dtype,
    pil_to_tensor,
    to_pil_image,
)

__all__ = [
    "_Image_fromarray",
    "make_grid",
    "save_image",
    "draw_bounding_boxes",
    "draw_segmentation_masks",
    "draw_keypoints",
    "flow_to_image",
]


@flambeau.no_grad()
def make_grid(
    tensor,
    nrow=8,
    padding=2,
    normalize=False,
    value_range=None,
    scale_each=False,
    pad_value=0.0,
):
    """Images (N, C, H, W), or a list of (C, H, W), side by side in one, nrow a row, `padding`
    pixels of pad_value between them. normalize: brought to 0 ... 1, from value_range or from their
    own least and greatest, each by itself where scale_each."""
    if isinstance(tensor, (list, tuple)):
        for t in tensor:
            if not isinstance(t, flambeau.Tensor):
                raise TypeError(f"tensor or list of tensors expected, got a list containing "
                                f"{type(t)}")
        tensor = flambeau.stack(list(tensor), dim=0)
    elif not isinstance(tensor, flambeau.Tensor):
        raise TypeError(f"tensor or list of tensors expected, got {type(tensor)}")
    if tensor.dim() == 2:
        tensor = tensor.unsqueeze(0)
    if tensor.dim() == 3:
        if tensor.size(0) == 1:
            tensor = flambeau.cat((tensor, tensor, tensor), 0)
        tensor = tensor.unsqueeze(0)
    if tensor.dim() == 4 and tensor.size(1) == 1:
        tensor = flambeau.cat((tensor, tensor, tensor), 1)
    if normalize:
        tensor = tensor.clone()
        if value_range is not None and not isinstance(value_range, tuple):
            raise TypeError(
                "value_range has to be a tuple (min, max) if specified. min and max are numbers"
            )
        for t in tensor if scale_each else [tensor]:
            low, high = value_range or (float(t.min()), float(t.max()))
            t.clamp_(min=low, max=high)
            t.sub_(low).div_(max(high - low, 1e-5))
    if tensor.size(0) == 1:
        return tensor.squeeze(0)
    count = tensor.size(0)
    columns = min(nrow, count)
    height, width = int(tensor.size(2) + padding), int(tensor.size(3) + padding)
    rows = int(math.ceil(float(count) / columns))
    size = tensor.size(1), height * rows + padding, width * columns + padding
    grid = tensor.new_full(size, pad_value)
    for k in range(count):
        top, left = k // columns * height + padding, k % columns * width + padding
        grid[:, top:top + height - padding, left:left + width - padding] = tensor[k]
    return grid


@flambeau.no_grad()
def save_image(tensor, fp, format=None, **kwargs):
    """Writes make_grid(tensor, **kwargs) of floats from 0 to 1 to a file, or to what has write(),
    in the format of its name or as `format` says."""
    grid = make_grid(tensor, **kwargs)
    to_pil_image(grid.mul(255).add_(0.5).clamp_(0, 255).to(flambeau.uint8)).save(fp, format=format)


def _Image_fromarray(obj, mode):
    """Pillow's image of an array's bytes."""
    return pillow().frombytes(mode, (obj.shape[1], obj.shape[0]), obj.tobytes())


# ---- Drawing -------------------------------------------------------------------------------------


def _check_image(image, channels=(3,)):
    if not isinstance(image, flambeau.Tensor):
        raise TypeError(f"The image must be a tensor, got {type(image)}")
    if not (image.dtype == flambeau.uint8 or image.is_floating_point()):
        raise ValueError(f"The image dtype must be uint8 or float, got {image.dtype}")
    if image.dim() != 3:
        raise ValueError("Pass individual images, not batches")
    if image.size(0) not in channels:
        raise ValueError(
            "Pass an RGB image. Other Image formats are not supported"
            if channels == (3,)
            else "Only grayscale and RGB images are supported"
        )


def _parse_colors(colors, *, num_objects, dtype=None):
    """num_objects colours (r, g, b) of a name, a colour, a list of either, or None."""
    if colors is None:
        palette = [2**25 - 1, 2**15 - 1, 2**21 - 1]
        colors = [tuple(i * p % 255 for p in palette) for i in range(num_objects)]
    elif isinstance(colors, list):
        if len(colors) < num_objects:
            raise ValueError(
                "Number of colors must be equal or larger than the number of objects, but got "
                f"{len(colors)} < {num_objects}."
            )
    elif not isinstance(colors, (tuple, str)):
        raise ValueError(
            f"colors must be a tuple or a string, or a list thereof, but got {colors}."
        )
    elif isinstance(colors, tuple) and len(colors) != 3:
        raise ValueError(f"If passed as tuple, colors should be an RGB triplet, but got {colors}.")
    else:
        colors = [colors] * num_objects
    colors = [pillow("ImageColor").getrgb(c) if isinstance(c, str) else c for c in colors]
    if dtype is not None and dtype.is_floating_point:
        colors = [tuple(v / 255 for v in color) for color in colors]
    return colors


def _to_canvas(image):
    """Pillow's image, in RGB, of a tensor."""
    if image.size(0) == 1:
        image = image.expand(3, -1, -1)
    return to_pil_image(convert_image_dtype(image, flambeau.uint8))


@flambeau.no_grad()
def draw_bounding_boxes(
    image,
    boxes,
    labels=None,
    colors=None,
    fill=False,
    width=1,
    font=None,
    font_size=None,
    label_colors=None,
    label_background_colors=None,
    fill_labels=False,
):
    """The image (1 or 3, H, W) with boxes (N, 4) of (x1, y1, x2, y2) drawn on it, and their
    labels."""
    _check_image(image, (1, 3))
    if ((boxes[:, 0] > boxes[:, 2]) | (boxes[:, 1] > boxes[:, 3])).any():
        raise ValueError(
            "Boxes need to be in (xmin, ymin, xmax, ymax) format. Use torchvision.ops.box_convert "
            "to convert them"
        )
    count = boxes.shape[0]
    if count == 0:
        warnings.warn("boxes doesn't contain any box. No box was drawn")
        return image
    if labels is None:
        labels = [None] * count
    elif len(labels) != count:
        raise ValueError(
            f"Number of boxes ({count}) and labels ({len(labels)}) mismatch. Please specify labels "
            "for each box."
        )
    colors = _parse_colors(colors, num_objects=count)
    behind, before = colors, colors
    if label_colors or fill_labels:
        before = _parse_colors(label_colors or "black", num_objects=count)
    if fill_labels and label_background_colors:
        behind = _parse_colors(label_background_colors, num_objects=count)
    letters = pillow("ImageFont")
    if font is None:
        if font_size is not None:
            warnings.warn("Argument 'font_size' will be ignored since 'font' is not set.")
        letters = letters.load_default()
    else:
        letters = letters.truetype(font=font, size=font_size or 10)
    canvas = _to_canvas(image)
    draw = pillow("ImageDraw").Draw(canvas, "RGBA" if fill else None)
    for box, color, label, ink, paper in zip(
        boxes.to(flambeau.int64).tolist(), colors, labels, before, behind
    ):
        draw.rectangle(box, width=width, outline=color, fill=color + (100,) if fill else None)
        if label is not None:
            at = box[0] + width + 1, box[1] + width + 1
            if fill_labels:
                left, top, right, bottom = draw.textbbox(at, label, font=letters)
                draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), fill=paper)
            draw.text(at, label, fill=ink, font=letters)
    return convert_image_dtype(pil_to_tensor(canvas), image.dtype)


@flambeau.no_grad()
def draw_segmentation_masks(image, masks, alpha=0.8, colors=None):
    """The image (3, H, W) with the places of bool masks (N, H, W) coloured; alpha: how much."""
    _check_image(image)
    if masks.ndim == 2:
        masks = masks[None]
    if masks.ndim != 3:
        raise ValueError("masks must be of shape (H, W) or (batch_size, H, W)")
    if masks.dtype != flambeau.bool:
        raise ValueError(f"The masks must be of dtype bool. Got {masks.dtype}")
    if masks.shape[-2:] != image.shape[-2:]:
        raise ValueError("The image and the masks must have the same height and width")
    if masks.size(0) == 0:
        warnings.warn("masks doesn't contain any mask. No mask was drawn")
        return image
    colors = _parse_colors(colors, num_objects=masks.size(0), dtype=image.dtype)
    drawn = image.detach().clone()
    for mask, color in zip(masks, colors):
        drawn[:, mask] = flambeau.tensor(color, dtype=image.dtype)[:, None]
    drawn[:, masks.sum(dim=0) > 1] = 0
    return (image * (1 - alpha) + drawn * alpha).to(image.dtype)


@flambeau.no_grad()
def draw_keypoints(
    image, keypoints, connectivity=None, colors=None, radius=2, width=3, visibility=None
):
    """The image (3, H, W) with points (N, K, 2) of (x, y) drawn on it, and lines between the pairs
    of connectivity; visibility (N, K): which are drawn."""
    _check_image(image)
    if keypoints.ndim != 3:
        raise ValueError("keypoints must be of shape (num_instances, K, 2)")
    if visibility is None:
        visibility = flambeau.ones(keypoints.shape[:-1], dtype=flambeau.bool)
    if visibility.ndim == 3:
        visibility = visibility.squeeze(-1)
    if visibility.shape != keypoints.shape[:-1]:
        raise ValueError(
            "keypoints and visibility must have the same dimensionality for num_instances and K. "
            f"Got visibility.shape={visibility.shape!r} and keypoints.shape={keypoints.shape!r}"
        )
    canvas = _to_canvas(image)
    draw = pillow("ImageDraw").Draw(canvas)
    for points, seen in zip(
        keypoints.to(flambeau.int64).tolist(), visibility.bool().tolist()
    ):
        for (x, y), drawn in zip(points, seen):
            if drawn:
                corners = [x - radius, y - radius, x + radius, y + radius]
                draw.ellipse(corners, fill=colors, outline=None, width=0)
        for a, b in connectivity or ():
            if seen[a] and seen[b]:
                draw.line((tuple(points[a]), tuple(points[b])), width=width)
    return convert_image_dtype(pil_to_tensor(canvas), image.dtype)


# ---- Optical flow --------------------------------------------------------------------------------


def _color_wheel():
    """55 colours around the circle (Baker et al., "A Database and Evaluation Methodology for
    Optical Flow", 2011): from one to the next, one of r, g and b rises or falls."""
    steps = (15, 0, 1, 1), (6, 1, 0, -1), (4, 1, 2, 1), (11, 2, 1, -1), (13, 2, 0, 1), (6, 0, 2, -1)
    wheel = []
    for count, full, moving, way in steps:
        for i in range(count):
            color = [0.0, 0.0, 0.0]
            color[full] = 255.0
            rising = float(255 * i // count)
            color[moving] = rising if way > 0 else 255.0 - rising
            wheel.append(color)
    return flambeau.tensor(wheel)


@flambeau.no_grad()
def flow_to_image(flow):
    """Bytes (N, 3, H, W) that show a flow (N, 2, H, W): its direction as a hue, its length as
    saturation."""
    if flow.dtype != flambeau.float32:
        raise ValueError(f"Flow should be of dtype torch.float, got {flow.dtype}.")
    if flow.ndim not in (3, 4) or flow.shape[-3] != 2:
        raise ValueError(
            f"Input flow should have shape (2, H, W) or (N, 2, H, W), got {flow.shape}."
        )
    batch = flow if flow.ndim == 4 else flow[None]
    longest = batch.pow(2).sum(dim=1).sqrt().max()
    batch = batch / (longest + flambeau.finfo(flow.dtype).eps)
    wheel = _color_wheel()
    norm = batch.pow(2).sum(dim=1).sqrt()
    angle = flambeau.atan2(-batch[:, 1], -batch[:, 0]) / math.pi
    place = (angle + 1) / 2 * (len(wheel) - 1)
    first = place.floor().to(flambeau.int64)
    f = place - first
    shades = [
        (1 - f) * (column[first] / 255.0) + f * (column[(first + 1) % len(wheel)] / 255.0)
        for column in wheel.unbind(1)
    ]
    shades = [(255 * (1 - norm * (1 - shade))).floor() for shade in shades]
    image = flambeau.stack(shades, 1).to(flambeau.uint8)
    return image if flow.ndim == 4 else image[0]
