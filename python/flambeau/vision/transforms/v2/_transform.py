"""What the transforms of v2 share (source: torchvision.transforms.v2._transform).

A sample is any structure of dicts, lists and tuples. Of what is in it images, masks and boxes are
transformed, all by the same drawn numbers; of plain tensors only the first, and only where there is
no image.
"""
from __future__ import annotations

import enum

import flambeau
from flambeau.nn import Module
from flambeau.vision import is_pillow_image, tv_tensors
from flambeau.vision.transforms.v2 import functional as F


def _flatten(value, leaves):
    """Appends what is in a structure to leaves; returns what builds it again from an iterator."""
    if isinstance(value, dict):
        parts = {key: _flatten(part, leaves) for key, part in value.items()}
        return lambda it: type(value)((key, build(it)) for key, build in parts.items())
    if isinstance(value, (list, tuple)):
        parts = [_flatten(part, leaves) for part in value]
        if hasattr(value, "_fields"):
            return lambda it: type(value)(*[build(it) for build in parts])
        return lambda it: type(value)([build(it) for build in parts])
    leaves.append(value)
    return next


def is_pure_tensor(value):
    """Whether it is a tensor that does not say what it is."""
    return isinstance(value, flambeau.Tensor) and not isinstance(value, tv_tensors.TVTensor)


def is_image(value):
    """Whether it says that it is an image, or is Pillow's."""
    return isinstance(value, (tv_tensors.Image, tv_tensors.Video)) or is_pillow_image(value)


def get_bounding_boxes(flat_inputs):
    """The first boxes among the inputs; ValueError where there are none."""
    for x in flat_inputs:
        if isinstance(x, tv_tensors.BoundingBoxes):
            return x
    raise ValueError("No bounding boxes were found in the sample")


def query_size(flat_inputs):
    """[height, width] that the images, masks and boxes among the inputs have."""
    sizes = {tuple(F.get_size(x)) for x in flat_inputs}
    if not sizes:
        raise TypeError("No image, video, mask, bounding box of keypoint was found in the sample")
    if len(sizes) > 1:
        raise ValueError(f"Found multiple HxW dimensions in the sample: {sorted(sizes)}")
    return list(sizes.pop())


class Transform(Module):
    """Subclasses define transform(inpt, params), and make_params(flat_inputs) where numbers are
    drawn."""

    p = 1.0  # the probability of those that have one
    _by_chance = False

    def check_inputs(self, flat_inputs):
        """Refuses inputs that cannot be transformed."""

    def make_params(self, flat_inputs):
        """What all inputs of a sample are transformed by."""
        return {}

    def transform(self, inpt, params):
        """One input, transformed."""
        raise NotImplementedError

    def _wanted(self, inpt):
        return isinstance(inpt, flambeau.Tensor) or is_pillow_image(inpt)

    def _wanted_among(self, leaves):
        """Of each of a sample's parts whether it is transformed."""
        plain_counts, wanted = not any(map(is_image, leaves)), []
        for x in leaves:
            wanted.append(self._wanted(x) and (plain_counts or not is_pure_tensor(x)))
            plain_counts = plain_counts and not (wanted[-1] and is_pure_tensor(x))
        return wanted

    def forward(self, *inputs):
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = []
        build = _flatten(sample, leaves)
        self.check_inputs(leaves)
        if self._by_chance and flambeau.rand(1).item() >= self.p:
            return sample
        wanted = self._wanted_among(leaves)
        params = self.make_params([x for x, w in zip(leaves, wanted) if w])
        done = [self.transform(x, params) if w else x for x, w in zip(leaves, wanted)]
        return build(iter(done))

    def extra_repr(self):
        return ", ".join(
            f"{name}={value}"
            for name, value in self.__dict__.items()
            if not name.startswith("_")
            and name != "training"
            and isinstance(value, (bool, int, float, str, tuple, list, enum.Enum))
        )


class Chance(Transform):
    """A transform of probability p."""

    _by_chance = True

    def __init__(self, p=0.5):
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        super().__init__()
        self.p = p
