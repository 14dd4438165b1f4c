"""From one kind of image, dtype or box to another (source: torchvision.transforms.v2._meta, _misc,
_type_conversion)."""
from __future__ import annotations

import warnings

import flambeau
from flambeau.vision import is_pillow_image, tv_tensors
from flambeau.vision.transforms import functional as F1
from flambeau.vision.transforms import transforms as v1
from flambeau.vision.transforms.v2 import functional as F
from flambeau.vision.transforms.v2._transform import (
    Transform, get_bounding_boxes, is_image, is_pure_tensor
)

__all__ = (
    "ToImage ToPILImage PILToTensor ToPureTensor ToTensor ToDtype ConvertImageDtype Normalize "
    "Identity Lambda LinearTransformation ConvertBoundingBoxFormat ClampBoundingBoxes "
    "SanitizeBoundingBoxes"
).split()


class _OfImages(Transform):
    def _wanted(self, inpt):
        return is_image(inpt) or is_pure_tensor(inpt)


class ToImage(_OfImages):
    """functional.to_image."""

    def _wanted(self, inpt):
        array = hasattr(inpt, "__array__") and not isinstance(inpt, flambeau.Tensor)
        return is_pure_tensor(inpt) or is_pillow_image(inpt) or array

    def transform(self, inpt, params):
        return F.to_image(inpt)


class ToPILImage(ToImage):
    """functional.to_pil_image."""

    def __init__(self, mode=None):
        super().__init__()
        self.mode = mode

    def _wanted(self, inpt):
        return super()._wanted(inpt) or isinstance(inpt, tv_tensors.Image)

    def transform(self, inpt, params):
        return inpt if is_pillow_image(inpt) else F.to_pil_image(F._plain(inpt), mode=self.mode)


class PILToTensor(Transform):
    """functional.pil_to_tensor of Pillow's images."""

    def _wanted(self, inpt):
        return is_pillow_image(inpt)

    def transform(self, inpt, params):
        return F.pil_to_tensor(inpt)


class ToTensor(Transform):
    """transforms.ToTensor; ToImage and ToDtype(float32, scale=True) are recommended instead."""

    def __init__(self):
        warnings.warn(
            "The transform `ToTensor()` is deprecated and will be removed in a future release. "
            "Instead, please use `v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, "
            "scale=True)])`.Output is equivalent up to float precision.",
            stacklevel=2,
        )
        super().__init__()

    def _wanted(self, inpt):
        return is_pillow_image(inpt) or F1._is_array(inpt)

    def transform(self, inpt, params):
        return F1.to_tensor(inpt)


class ToPureTensor(Transform):
    """tv_tensors as the tensors that they are."""

    def _wanted(self, inpt):
        return isinstance(inpt, tv_tensors.TVTensor)

    def transform(self, inpt, params):
        return F._plain(inpt)


class ToDtype(Transform):
    """functional.to_dtype of images; dtype may be a dict {kind: dtype or None}, with the key
    "others" for the rest."""

    def __init__(self, dtype, scale=False):
        super().__init__()
        self.dtype = dtype
        self.scale = scale

    def transform(self, inpt, params):
        if not isinstance(inpt, flambeau.Tensor):
            return inpt
        if not isinstance(self.dtype, dict):
            image = is_pure_tensor(inpt) or is_image(inpt)
            return F.to_dtype(inpt, self.dtype, scale=self.scale) if image else inpt
        for kind in (type(inpt), "others"):
            if kind in self.dtype:
                dtype = self.dtype[kind]
                return inpt if dtype is None else F.to_dtype(inpt, dtype, scale=self.scale)
        raise ValueError(f"No dtype was specified for type {type(inpt)}.")


class ConvertImageDtype(_OfImages):
    """functional.to_dtype with scale."""

    def __init__(self, dtype=flambeau.float32):
        super().__init__()
        self.dtype = dtype

    def transform(self, inpt, params):
        return inpt if is_pillow_image(inpt) else F.to_dtype(inpt, self.dtype, scale=True)


class _OfTensors(_OfImages):
    def check_inputs(self, flat_inputs):
        if any(map(is_pillow_image, flat_inputs)):
            raise TypeError(f"{type(self).__name__}() does not support PIL images.")


class Normalize(_OfTensors):
    """(image - mean) / std, channel by channel."""

    def __init__(self, mean, std, inplace=False):
        super().__init__()
        self.mean = list(mean)
        self.std = list(std)
        self.inplace = inplace

    def transform(self, inpt, params):
        return F.normalize(inpt, mean=self.mean, std=self.std, inplace=self.inplace)


class Identity(Transform):
    """Nothing is done."""

    def transform(self, inpt, params):
        return inpt


class Lambda(Transform):
    """A function of everything that is of one of the types."""

    def __init__(self, lambd, *types):
        super().__init__()
        self.lambd = lambd
        self.types = types or (object,)

    def forward(self, *inputs):
        from flambeau.vision.transforms.v2._transform import _flatten

        leaves = []
        build = _flatten(inputs if len(inputs) > 1 else inputs[0], leaves)
        return build(iter([self.lambd(x) if isinstance(x, self.types) else x for x in leaves]))


class LinearTransformation(_OfTensors):
    """transforms.LinearTransformation."""

    def __init__(self, transformation_matrix, mean_vector):
        super().__init__()
        # Not a child: it is no part of what is shown.
        self.__dict__["_v1"] = v1.LinearTransformation(transformation_matrix, mean_vector)
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def transform(self, inpt, params):
        return F._rewrap(self._v1(F._plain(inpt)), inpt)


# ---- Boxes ---------------------------------------------------------------------------------------


class _OfBoxes(Transform):
    def _wanted(self, inpt):
        return isinstance(inpt, tv_tensors.BoundingBoxes)


class ConvertBoundingBoxFormat(_OfBoxes):
    """functional.convert_bounding_box_format."""

    def __init__(self, format):
        super().__init__()
        self.format = format

    def transform(self, inpt, params):
        return F.convert_bounding_box_format(inpt, new_format=self.format)


class ClampBoundingBoxes(_OfBoxes):
    """functional.clamp_bounding_boxes; clamping_mode None: boxes stay as they are."""

    def __init__(self, clamping_mode: str | None = "auto"):
        super().__init__()
        self.clamping_mode = clamping_mode

    def transform(self, inpt, params):
        return inpt if self.clamping_mode is None else F.clamp_bounding_boxes(inpt)


class SanitizeBoundingBoxes(Transform):
    """Boxes smaller than min_size or min_area, or that reach out of the image, taken out; so are
    their masks and labels. labels_getter: "default" (what is called labels), a key, a function of
    the sample, or None."""

    def __init__(self, min_size=1.0, min_area=1.0, labels_getter="default"):
        super().__init__()
        if min_size < 1:
            raise ValueError(f"min_size must be >= 1, got {min_size}.")
        if min_area < 1:
            raise ValueError(f"min_area must be >= 1, got {min_area}.")
        self.min_size = min_size
        self.min_area = min_area
        self.labels_getter = labels_getter

    def _labels(self, sample):
        getter = self.labels_getter
        if getter is None or callable(getter):
            found = getter(sample) if getter else None
        else:
            inner = sample[1] if isinstance(sample, tuple) else sample
            if not isinstance(inner, dict):
                return []
            keys = [k for k in inner if isinstance(k, str)]
            match = [k for k in keys if k.lower() == "labels"] or [
                k for k in keys if "label" in k.lower()
            ]
            found = inner.get(match[0] if getter == "default" and match else getter)
        found = found if isinstance(found, (list, tuple)) else [found]
        return [label for label in found if label is not None]

    def forward(self, *inputs):
        from flambeau.vision.transforms.v2._transform import _flatten

        sample, leaves = inputs if len(inputs) > 1 else inputs[0], []
        build = _flatten(sample, leaves)
        boxes, labels = get_bounding_boxes(leaves), self._labels(sample)
        for label in labels:
            if label.shape[0] != boxes.shape[0]:
                raise ValueError(
                    f"Number of boxes (shape={tuple(boxes.shape)}) and must match the number of "
                    f"labels.Found labels with shape={tuple(label.shape)})."
                )
        corners = F._plain(F.convert_bounding_box_format(boxes, new_format="XYXY"))
        x1, y1, x2, y2 = corners.unbind(1)
        height, width = boxes.canvas_size
        keep = (x2 - x1 >= self.min_size) & (y2 - y1 >= self.min_size)
        keep &= (x2 - x1) * (y2 - y1) >= self.min_area
        keep &= (x1 >= 0) & (y1 >= 0) & (x2 <= width) & (y2 <= height)

        def kept(x):
            if isinstance(x, (tv_tensors.BoundingBoxes, tv_tensors.Mask)):
                return tv_tensors.wrap(F._plain(x)[keep], like=x)
            return x[keep] if any(x is label for label in labels) else x

        return build(iter([kept(x) for x in leaves]))
