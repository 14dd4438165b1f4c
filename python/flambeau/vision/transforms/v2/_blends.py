"""Batches whose images, and labels, are blended with their neighbours' (source:
torchvision.transforms.v2._augment)."""
from __future__ import annotations

import math

import flambeau
from flambeau.nn.functional import one_hot
from flambeau.vision import is_pillow_image, tv_tensors
from flambeau.vision.transforms.v2._transform import (
    Transform, _flatten, is_image, is_pure_tensor, query_size,
)

__all__ = ["CutMix", "MixUp"]

_UNBLENDED = ("BoundingBoxes", "Mask", "KeyPoints")


def _find_labels(inputs):
    """The labels of a sample: its second part, or what a dict there has under a key like "labels".
    ValueError where there are none."""
    found = inputs[1] if isinstance(inputs, (tuple, list)) and len(inputs) > 1 else inputs
    if isinstance(found, flambeau.Tensor):
        return found
    if isinstance(found, dict):
        keys = [key for key in found if isinstance(key, str)]
        exact = [key for key in keys if key.lower() in ("label", "labels")]
        for key in exact or [key for key in keys if "label" in key.lower()]:
            return found[key]
    raise ValueError("Could not infer where the labels are in the sample. Try passing a callable as "
                     "the labels_getter parameter?")


class _Blend(Transform):
    """Subclasses define make_params, which draws, and _blend of a batch of images."""

    def __init__(self, *, alpha=1.0, num_classes=None, labels_getter="default"):
        super().__init__()
        self.alpha, self.num_classes = float(alpha), num_classes
        concentration = flambeau.tensor([alpha])
        self._dist = flambeau.distributions.Beta(concentration, concentration)
        if labels_getter == "default":
            labels_getter = _find_labels
        elif labels_getter is None:
            def labels_getter(inputs): return None
        elif not callable(labels_getter):
            raise ValueError("labels_getter should either be 'default', a callable, or None, but got "
                             f"{labels_getter}.")
        self._labels_getter = labels_getter

    def forward(self, *inputs):
        sample, leaves = inputs if len(inputs) > 1 else inputs[0], []
        build = _flatten(sample, leaves)
        if any(is_pillow_image(x) or type(x).__name__ in _UNBLENDED for x in leaves):
            raise ValueError(f"{type(self).__name__}() does not support PIL images, bounding boxes, "
                             "keypoints and masks.")
        labels = self._labels_getter(sample)
        self._check_labels(labels)
        plain_counts, wanted = not any(map(is_image, leaves)), []
        for x in leaves:
            wanted.append(is_image(x) or (plain_counts and is_pure_tensor(x)))
            plain_counts = plain_counts and not is_pure_tensor(x)
        params = self.make_params([x for x, w in zip(leaves, wanted) if w])
        done = []
        for x, w in zip(leaves, wanted):
            if x is labels:
                x = self._blend_labels(x, params["share"])
            elif w:
                x = self._blend_images(x, len(labels), params)
            done.append(x)
        return build(iter(done))

    def _check_labels(self, labels):
        if not isinstance(labels, flambeau.Tensor):
            raise ValueError(f"The labels must be a tensor, but got {type(labels)} instead.")
        if labels.ndim not in (1, 2):
            raise ValueError(
                "labels should be index based with shape (batch_size,) or probability based with "
                f"shape (batch_size, num_classes), but got a tensor of shape {labels.shape} instead.")
        if labels.ndim == 2 and self.num_classes not in (None, labels.shape[-1]):
            raise ValueError(
                "When passing 2D labels, the number of elements in last dimension must match "
                f"num_classes: {labels.shape[-1]} != {self.num_classes}. You can Leave num_classes "
                "to None.")
        if labels.ndim == 1 and self.num_classes is None:
            raise ValueError("num_classes must be passed if the labels are index-based (1D)")

    def _blend_labels(self, labels, share):
        if labels.ndim == 1:
            labels = one_hot(labels, num_classes=self.num_classes)
        if not labels.dtype.is_floating_point:
            labels = labels.float()
        return labels.roll(1, 0).mul_(1.0 - share).add_(labels.mul(share))

    def _blend_images(self, images, count, params):
        dims = 5 if isinstance(images, tv_tensors.Video) else 4
        if images.ndim != dims:
            raise ValueError(f"Expected a batched input with {dims} dims, but got {images.ndim} "
                             "dimensions instead.")
        if images.shape[0] != count:
            raise ValueError("The batch size of the image or video does not match the batch size of "
                             f"the labels: {images.shape[0]} != {count}.")
        done = self._blend(images, params)
        return done if is_pure_tensor(images) else tv_tensors.wrap(done, like=images)


class MixUp(_Blend):
    """Each image is share times itself plus the rest of the one before it, share drawn from
    Beta(alpha, alpha); labels (batch,) or (batch, num_classes) likewise (Zhang et al., 2018)."""

    def make_params(self, flat_inputs):
        return {"share": float(self._dist.sample(()))}

    def _blend(self, images, params):
        share = params["share"]
        return images.roll(1, 0).mul_(1.0 - share).add_(images.mul(share))


class CutMix(_Blend):
    """A box of each image is the one before it; labels are shared by area (Yun et al., 2019)."""

    def make_params(self, flat_inputs):
        share = float(self._dist.sample(()))
        height, width = query_size(flat_inputs)
        x = int(flambeau.randint(width, size=(1,)))
        y = int(flambeau.randint(height, size=(1,)))
        half = 0.5 * math.sqrt(1.0 - share)
        across, down = int(half * width), int(half * height)
        left, right = max(x - across, 0), min(x + across, width)
        top, bottom = max(y - down, 0), min(y + down, height)
        return {"box": (left, top, right, bottom),
                "share": float(1.0 - (right - left) * (bottom - top) / (width * height))}

    def _blend(self, images, params):
        left, top, right, bottom = params["box"]
        done = images.clone()
        done[..., top:bottom, left:right] = images.roll(1, 0)[..., top:bottom, left:right]
        return done
