"""Regions of feature maps brought to one size (source: torchvision.ops.roi_align, roi_pool)."""
from __future__ import annotations

import flambeau
from flambeau import _C
from flambeau.nn import Module


def _rois(boxes):
    """Regions (K, 5) of one tensor of them, or of a list of boxes (L, 4), one tensor an image."""
    if isinstance(boxes, (list, tuple)):
        for box in boxes:
            if box.ndim != 2 or box.shape[1] != 4:
                raise AssertionError(
                    "The shape of the tensor in the boxes list is not correct as List[Tensor[L, 4]]"
                )
        numbers = [flambeau.full_like(box[:, :1], i) for i, box in enumerate(boxes)]
        return flambeau.cat((flambeau.cat(numbers), flambeau.cat(list(boxes))), 1)
    if boxes.ndim != 2 or boxes.shape[1] != 5:
        raise AssertionError("The boxes tensor shape is not correct as Tensor[K, 5]")
    return boxes


def _pair(size):
    return (size, size) if isinstance(size, int) else tuple(size)


def roi_align(input, boxes, output_size, spatial_scale=1.0, sampling_ratio=-1, aligned=False):
    """Regions of input (N, C, H, W), averaged at sampling_ratio ** 2 places a bin: (K, C, *size).
    boxes: (K, 5), each an image's number and a box, or a list of (L, 4); spatial_scale: from their
    coordinates to input's; aligned: shifted by half a pixel, which fits better."""
    rois = _rois(boxes)
    return _C._roi_align(
        input, rois, spatial_scale, *_pair(output_size), sampling_ratio, aligned
    )


def roi_pool(input, boxes, output_size, spatial_scale=1.0):
    """Regions as roi_align's, the greatest element of each bin: (K, C, *size)."""
    return _C._roi_pool(input, _rois(boxes), spatial_scale, *_pair(output_size))[0]


class RoIAlign(Module):
    """roi_align."""

    def __init__(self, output_size, spatial_scale, sampling_ratio, aligned=False):
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned

    def forward(self, input, rois):
        return roi_align(
            input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned
        )

    def __repr__(self):
        return (
            f"{self.__class__.__name__}(output_size={self.output_size}, "
            f"spatial_scale={self.spatial_scale}, sampling_ratio={self.sampling_ratio}, "
            f"aligned={self.aligned})"
        )


class RoIPool(Module):
    """roi_pool."""

    def __init__(self, output_size, spatial_scale):
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale

    def forward(self, input, rois):
        return roi_pool(input, rois, self.output_size, self.spatial_scale)

    def __repr__(self):
        return (
            f"{self.__class__.__name__}(output_size={self.output_size}, "
            f"spatial_scale={self.spatial_scale})"
        )
