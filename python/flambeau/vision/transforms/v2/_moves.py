"""Size, place and geometry (source: torchvision.transforms.v2._geometry). The numbers are drawn by
the classes of transforms, whose arguments these take."""
from __future__ import annotations

import flambeau
from flambeau.vision import tv_tensors
from flambeau.vision.ops.boxes import box_iou
from flambeau.vision.transforms import _arguments
from flambeau.vision.transforms import transforms as v1
from flambeau.vision.transforms.functional import F_t as _F_t
from flambeau.vision.transforms.v2 import functional as F
from flambeau.vision.transforms.v2._transform import (
    Chance, Transform, get_bounding_boxes, is_image, is_pure_tensor, query_size
)

__all__ = (
    "Resize CenterCrop Pad RandomCrop RandomResizedCrop RandomHorizontalFlip RandomVerticalFlip "
    "RandomRotation RandomAffine RandomPerspective ElasticTransform FiveCrop TenCrop "
    "RandomZoomOut RandomIoUCrop ScaleJitter RandomShortestSize RandomResize "
    "UniformTemporalSubsample"
).split()


def _fill_for(fill, inpt):
    """The fill for inpt: fill may be a dict {kind: fill}, with the key "others"."""
    if isinstance(fill, dict):
        fill = fill.get(type(inpt), fill.get("others", 0))
    if fill is not None and isinstance(inpt, flambeau.Tensor):
        fill = [float(f) for f in fill] if isinstance(fill, (list, tuple)) else float(fill)
    return fill


class _Sized:
    """An image of a size, for what draws numbers of images."""

    @staticmethod
    def of(flat_inputs):
        return flambeau.empty(0, *query_size(flat_inputs))


class Resize(Transform):
    """functional.resize."""

    def __init__(
        self, size, interpolation="bilinear", max_size=None, antialias=True
    ):
        super().__init__()
        if isinstance(size, int):
            size = [size]
        elif size is not None and (not isinstance(size, (list, tuple)) or len(size) not in (1, 2)):
            raise ValueError(
                f"size can be an integer, a sequence of one or two integers, or None, but got "
                f"{size} instead."
            )
        self.size = size if size is None else list(size)
        self.interpolation = interpolation
        self.max_size = max_size
        self.antialias = antialias

    def transform(self, inpt, params):
        return F.resize(inpt, self.size, self.interpolation, self.max_size, self.antialias)


class CenterCrop(Transform):
    """functional.center_crop."""

    def __init__(self, size):
        super().__init__()
        self.size = _arguments._setup_size(size)

    def transform(self, inpt, params):
        return F.center_crop(inpt, self.size)


class FiveCrop(CenterCrop):
    """functional.five_crop."""

    def check_inputs(self, flat_inputs):
        if any(isinstance(x, (tv_tensors.BoundingBoxes, tv_tensors.Mask)) for x in flat_inputs):
            raise TypeError(
                f"BoundingBoxes'es and Mask's are not supported by {type(self).__name__}()"
            )

    def transform(self, inpt, params):
        return F.five_crop(inpt, self.size)


class TenCrop(FiveCrop):
    """functional.ten_crop."""

    def __init__(self, size, vertical_flip=False):
        super().__init__(size)
        self.vertical_flip = vertical_flip

    def transform(self, inpt, params):
        return F.ten_crop(inpt, self.size, self.vertical_flip)


class Pad(Transform):
    """functional.pad."""

    def __init__(self, padding, fill=0, padding_mode="constant"):
        super().__init__()
        _F_t.check_pad(padding, fill, padding_mode)
        self.padding = padding if isinstance(padding, int) else list(padding)
        self.fill = fill
        self.padding_mode = padding_mode

    def transform(self, inpt, params):
        fill = _fill_for(self.fill, inpt)
        return F.pad(inpt, self.padding, fill, self.padding_mode)


class RandomHorizontalFlip(Chance):
    """Mirrored with probability p."""

    def transform(self, inpt, params):
        return F.horizontal_flip(inpt)


class RandomVerticalFlip(Chance):
    """Upside down with probability p."""

    def transform(self, inpt, params):
        return F.vertical_flip(inpt)


class RandomCrop(Transform):
    """A part of `size` at a random place, of the padded image."""

    get_params = staticmethod(v1.RandomCrop.get_params)

    def __init__(
        self, size, padding=None, pad_if_needed=False, fill=0, padding_mode="constant"
    ):
        super().__init__()
        self.size = _arguments._setup_size(size)
        if padding is not None:
            _F_t.check_pad(padding, fill, padding_mode)
        self.padding = _F_t._sides(padding) if padding else None
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    def make_params(self, flat_inputs):
        h, w = query_size(flat_inputs)
        left, right, top, bottom = self.padding or (0, 0, 0, 0)
        height, width = self.size
        if self.pad_if_needed:
            higher = max(height - h - top - bottom, 0)
            wider = max(width - w - left - right, 0)
            left, right, top, bottom = left + wider, right + wider, top + higher, bottom + higher
        h, w = h + top + bottom, w + left + right
        if h < height or w < width:
            raise ValueError(
                f"Required crop size {(height, width)} is larger than "
                f"{'padded ' if self.padding is not None else ''}input image size {(h, w)}."
            )
        at = [
            int(flambeau.randint(0, most - size + 1, size=()).item()) if most > size else 0
            for most, size in ((h, height), (w, width))
        ]
        crop = (*at, height, width) if (h, w) != (height, width) else None
        return {"padding": [left, top, right, bottom], "crop": crop}

    def transform(self, inpt, params):
        if any(params["padding"]):
            inpt = F.pad(inpt, params["padding"], _fill_for(self.fill, inpt), self.padding_mode)
        return F.crop(inpt, *params["crop"]) if params["crop"] else inpt


class RandomResizedCrop(Transform):
    """A part of random size and shape, resized."""

    get_params = staticmethod(v1.RandomResizedCrop.get_params)

    def __init__(
        self,
        size,
        scale=(0.08, 1.0),
        ratio=(3.0 / 4.0, 4.0 / 3.0),
        interpolation="bilinear",
        antialias=True,
    ):
        super().__init__()
        self.size = _arguments._setup_size(size)
        _arguments._check_scale_and_ratio(scale, ratio)
        self.scale = scale
        self.ratio = ratio
        self.interpolation = interpolation
        self.antialias = antialias

    def make_params(self, flat_inputs):
        return {"box": self.get_params(_Sized.of(flat_inputs), self.scale, self.ratio)}

    def transform(self, inpt, params):
        return F.resized_crop(
            inpt, *params["box"], self.size, self.interpolation, antialias=self.antialias
        )


class RandomRotation(Transform):
    """Turned by degrees drawn from a range."""

    get_params = staticmethod(v1.RandomRotation.get_params)

    def __init__(
        self, degrees, interpolation="nearest", expand=False, center=None, fill=0
    ):
        super().__init__()
        self.degrees = _arguments._setup_angle(degrees, name="degrees")
        self.interpolation = interpolation
        self.expand = expand
        self.fill = fill
        if center is not None:
            _arguments._check_sequence_input(center, "center", req_sizes=(2,))
        self.center = center

    def make_params(self, flat_inputs):
        return {"angle": self.get_params(self.degrees)}

    def transform(self, inpt, params):
        fill = _fill_for(self.fill, inpt)
        return F.rotate(
            inpt, params["angle"], self.interpolation, self.expand, self.center, fill
        )


class RandomAffine(Transform):
    """Turned, moved, scaled and sheared by drawn amounts."""

    get_params = staticmethod(v1.RandomAffine.get_params)

    def __init__(
        self,
        degrees,
        translate=None,
        scale=None,
        shear=None,
        interpolation="nearest",
        fill=0,
        center=None,
    ):
        super().__init__()
        checked = v1.RandomAffine(degrees, translate, scale, shear, center=center)
        self.degrees = checked.degrees
        self.translate = translate
        self.scale = scale
        self.shear = checked.shear
        self.interpolation = interpolation
        self.fill = fill
        self.center = center

    def make_params(self, flat_inputs):
        height, width = query_size(flat_inputs)
        ranges = self.degrees, self.translate, self.scale, self.shear
        return {"amounts": self.get_params(*ranges, [width, height])}

    def transform(self, inpt, params):
        return F.affine(
            inpt,
            *params["amounts"],
            interpolation=self.interpolation,
            fill=_fill_for(self.fill, inpt),
            center=self.center,
        )


class RandomPerspective(Chance):
    """Corners moved by up to distortion_scale of half the image, with probability p."""

    get_params = staticmethod(v1.RandomPerspective.get_params)

    def __init__(
        self, distortion_scale=0.5, p=0.5, interpolation="bilinear", fill=0
    ):
        super().__init__(p)
        if not 0 <= distortion_scale <= 1:
            raise ValueError("Argument distortion_scale value should be between 0 and 1")
        self.distortion_scale = distortion_scale
        self.interpolation = interpolation
        self.fill = fill

    def make_params(self, flat_inputs):
        height, width = query_size(flat_inputs)
        return {"points": self.get_params(width, height, self.distortion_scale)}

    def transform(self, inpt, params):
        fill = _fill_for(self.fill, inpt)
        return F.perspective(inpt, *params["points"], self.interpolation, fill)


class ElasticTransform(Transform):
    """Points moved by drawn vectors, blurred by sigma and scaled by alpha."""

    get_params = staticmethod(v1.ElasticTransform.get_params)

    def __init__(
        self, alpha=50.0, sigma=5.0, interpolation="bilinear", fill=0
    ):
        super().__init__()
        pair = v1.ElasticTransform._pair
        self.alpha = pair(float(alpha) if isinstance(alpha, int) else alpha, "alpha")
        self.sigma = pair(float(sigma) if isinstance(sigma, int) else sigma, "sigma")
        self.interpolation = interpolation
        self.fill = fill

    def make_params(self, flat_inputs):
        return {"move": self.get_params(self.alpha, self.sigma, query_size(flat_inputs))}

    def transform(self, inpt, params):
        fill = _fill_for(self.fill, inpt)
        return F.elastic(inpt, params["move"], self.interpolation, fill)


class RandomZoomOut(Chance):
    """The image put somewhere on a canvas side_range times as large, with probability p."""

    def __init__(self, fill=0, side_range=(1.0, 4.0), p=0.5):
        super().__init__(p)
        _arguments._check_sequence_input(side_range, "side_range", req_sizes=(2,))
        if side_range[0] < 1.0 or side_range[0] > side_range[1]:
            raise ValueError(f"Invalid side range provided {side_range}.")
        self.fill = fill
        self.side_range = side_range

    def make_params(self, flat_inputs):
        h, w = query_size(flat_inputs)
        low, high = self.side_range
        ratio = low + flambeau.rand(1).item() * (high - low)
        height, width = int(h * ratio), int(w * ratio)
        draw = flambeau.rand(2).tolist()
        left, top = int((width - w) * draw[0]), int((height - h) * draw[1])
        return {"padding": [left, top, width - left - w, height - top - h]}

    def transform(self, inpt, params):
        return F.pad(inpt, params["padding"], _fill_for(self.fill, inpt))


class _Resized(Transform):
    """Subclasses set interpolation and antialias, and draw params["size"]."""

    def transform(self, inpt, params):
        return F.resize(inpt, params["size"], self.interpolation, antialias=self.antialias)


class ScaleJitter(_Resized):
    """Resized to fit target_size times a drawn scale."""

    def __init__(
        self,
        target_size,
        scale_range=(0.1, 2.0),
        interpolation="bilinear",
        antialias=True,
    ):
        super().__init__()
        self.target_size = target_size
        self.scale_range = scale_range
        self.interpolation = interpolation
        self.antialias = antialias

    def make_params(self, flat_inputs):
        h, w = query_size(flat_inputs)
        low, high = self.scale_range
        scale = low + flambeau.rand(1).item() * (high - low)
        r = min(self.target_size[1] / h, self.target_size[0] / w) * scale
        return {"size": (int(h * r), int(w * r))}


class RandomShortestSize(_Resized):
    """Resized so that the shorter edge has a drawn size, the longer at most max_size."""

    def __init__(
        self,
        min_size,
        max_size=None,
        interpolation="bilinear",
        antialias=True,
    ):
        super().__init__()
        self.min_size = [min_size] if isinstance(min_size, int) else list(min_size)
        self.max_size = max_size
        self.interpolation = interpolation
        self.antialias = antialias

    def make_params(self, flat_inputs):
        h, w = query_size(flat_inputs)
        shortest = self.min_size[int(flambeau.randint(len(self.min_size), ()).item())]
        r = shortest / min(h, w)
        if self.max_size is not None:
            r = min(r, self.max_size / max(h, w))
        return {"size": (int(h * r), int(w * r))}


class RandomResize(_Resized):
    """Resized so that the shorter edge has a size drawn from min_size to max_size - 1."""

    def __init__(
        self, min_size, max_size, interpolation="bilinear", antialias=True
    ):
        super().__init__()
        self.min_size = min_size
        self.max_size = max_size
        self.interpolation = interpolation
        self.antialias = antialias

    def make_params(self, flat_inputs):
        return {"size": [int(flambeau.randint(self.min_size, self.max_size, ()).item())]}


class RandomIoUCrop(Transform):
    """A part of the image that has the middle of a box, and an overlap with one of at least a drawn
    share (Liu et al., SSD, 2016), which is drawn again after `trials` parts. Boxes whose middle is
    outside become 0: SanitizeBoundingBoxes takes them out."""

    def __init__(self, min_scale=0.3, max_scale=1.0, min_aspect_ratio=0.5, max_aspect_ratio=2.0,
                 sampler_options=None, trials=40):
        super().__init__()
        self.min_scale, self.max_scale = min_scale, max_scale
        self.min_aspect_ratio, self.max_aspect_ratio = min_aspect_ratio, max_aspect_ratio
        self.options = sampler_options or [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0]
        self.trials = trials

    def check_inputs(self, flat_inputs):
        boxes = any(isinstance(x, tv_tensors.BoundingBoxes) for x in flat_inputs)
        images = (x for x in flat_inputs if not isinstance(x, tv_tensors.Video))
        if not boxes or not any(is_image(x) or is_pure_tensor(x) for x in images):
            raise TypeError(
                f"{type(self).__name__}() requires input sample to contain tensor or PIL images "
                "and bounding boxes. Sample can also contain masks."
            )

    def make_params(self, flat_inputs):
        size, boxes = query_size(flat_inputs), get_bounding_boxes(flat_inputs)
        corners = F._plain(F.convert_bounding_box_format(boxes, new_format="XYXY"))
        while True:
            overlap = self.options[flambeau.randint(0, len(self.options), (1,)).item()]
            if overlap >= 1.0:
                return {}
            for _ in range(self.trials):
                part = self._draw(*size)
                inside = part and self._inside(corners, part)
                if inside is None or not inside.any():
                    continue
                left, top, width, height = part
                whole = [[left, top, left + width, top + height]]
                whole = flambeau.tensor(whole, dtype=corners.dtype)
                if box_iou(corners[inside], whole).max() >= overlap:
                    return {"crop": (top, left, height, width), "inside": inside}

    def _draw(self, height, width):
        """(left, top, width, height) of a part; None where it would be too long or empty."""
        range_ = self.max_scale - self.min_scale
        across, down = self.min_scale + range_ * flambeau.rand(2)
        new_width, new_height = int(width * across), int(height * down)
        if not self.min_aspect_ratio <= new_width / new_height <= self.max_aspect_ratio:
            return None
        across, down = flambeau.rand(2)
        left, top = int((width - new_width) * across), int((height - new_height) * down)
        return (left, top, new_width, new_height) if new_width and new_height else None

    @staticmethod
    def _inside(corners, part):
        """Which boxes have their middle in the part."""
        left, top, width, height = part
        x = 0.5 * (corners[..., 0] + corners[..., 2])
        y = 0.5 * (corners[..., 1] + corners[..., 3])
        return (left < x) & (x < left + width) & (top < y) & (y < top + height)

    def transform(self, inpt, params):
        if not params:
            return inpt
        output = F.crop(inpt, *params["crop"])
        if isinstance(output, tv_tensors.BoundingBoxes):
            output[~params["inside"]] = 0
        return output


class UniformTemporalSubsample(Transform):
    """functional.uniform_temporal_subsample."""

    def __init__(self, num_samples):
        super().__init__()
        self.num_samples = num_samples

    def transform(self, inpt, params):
        return F.uniform_temporal_subsample(inpt, self.num_samples)
