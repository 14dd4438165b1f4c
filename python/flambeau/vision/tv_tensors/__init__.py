"""Tensors that say what they are, for transforms.v2 to know (source: torchvision.tv_tensors).

They are views of plain tensors; what operators make of them is plain.
"""
from __future__ import annotations

from enum import Enum

import flambeau

__all__ = ["BoundingBoxFormat", "BoundingBoxes", "Image", "Mask", "TVTensor", "Video", "wrap"]


_KEEPING = ("clone", "to", "detach", "requires_grad_")  # methods whose result is of the same kind


class TVTensor(flambeau.Tensor):
    """What Image, Mask and the others share."""

    def __new__(cls, data, *, dtype=None, device=None, requires_grad=None):
        return cls._from(data, dtype, requires_grad)

    @classmethod
    def _from(cls, data, dtype, requires_grad):
        if not isinstance(data, flambeau.Tensor) and not hasattr(data, "__array__"):
            from flambeau.vision import is_pillow_image

            if is_pillow_image(data):
                from flambeau.vision.transforms.functional import pil_to_tensor

                data = pil_to_tensor(data)
        tensor = flambeau.as_tensor(data, dtype=dtype)
        if requires_grad is None:
            requires_grad = isinstance(data, flambeau.Tensor) and data.requires_grad
        made = tensor.detach().as_subclass(cls)
        return made.requires_grad_() if requires_grad else made

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if not all(issubclass(cls, kind) for kind in types):
            return NotImplemented
        with flambeau._C.DisableTorchFunctionSubclass():
            result = func(*args, **(kwargs or {}))
        if func.__name__ in _KEEPING and isinstance(args[0], cls):
            return wrap(result, like=args[0])
        return result.as_subclass(flambeau.Tensor) if isinstance(result, cls) else result


class Image(TVTensor):
    """An image, or a batch: (..., C, H, W)."""

    def __new__(cls, data, *, dtype=None, device=None, requires_grad=None):
        made = cls._from(data, dtype, requires_grad)
        if made.ndim < 2:
            raise ValueError
        return made if made.ndim > 2 else made.unsqueeze(0).as_subclass(cls)


class Video(TVTensor):
    """Frames: (..., T, C, H, W)."""

    def __new__(cls, data, *, dtype=None, device=None, requires_grad=None):
        made = cls._from(data, dtype, requires_grad)
        if made.ndim < 4:
            raise ValueError
        return made


class Mask(TVTensor):
    """A mask of classes or of instances: (..., H, W)."""


class BoundingBoxFormat(Enum):
    """How boxes are written: XYXY (two corners), XYWH (a corner and the sizes), CXCYWH (the middle
    and the sizes)."""

    XYXY = "XYXY"
    XYWH = "XYWH"
    CXCYWH = "CXCYWH"


class BoundingBoxes(TVTensor):
    """Boxes (N, 4) of a format, on an image of canvas_size (height, width)."""

    def __new__(
        cls, data, *, format, canvas_size, dtype=None, device=None, requires_grad=None
    ):
        made = cls._from(data, dtype, requires_grad)
        if made.ndim == 1:
            made = made.unsqueeze(0).as_subclass(cls)
        elif made.ndim != 2:
            raise ValueError(f"Expected a 1D or 2D tensor, got {made.ndim}D")
        made.format = BoundingBoxFormat[format.upper()] if isinstance(format, str) else format
        made.canvas_size = tuple(canvas_size)
        return made

    def __repr__(self, *, tensor_contents=None):
        return (f"{super().__repr__()[:-1]}, format={self.format}, canvas_size={self.canvas_size}, "
                "clamping_mode=soft)")


def wrap(wrappee, *, like, **kwargs):
    """The tensor as of the kind, and with the format and canvas_size, of `like`."""
    made = wrappee.as_subclass(type(like))
    if isinstance(like, BoundingBoxes):
        made.format = kwargs.get("format", like.format)
        made.canvas_size = kwargs.get("canvas_size", like.canvas_size)
    return made
