"""What the transforms share: draws from PyTorch's generator, and arguments checked."""
from __future__ import annotations

import numbers
import warnings
from collections.abc import Sequence

import flambeau
from flambeau.vision.transforms import functional as F
from flambeau.vision.transforms.functional import _interpolation_modes_from_int


def _uniform(low, high):
    """One float drawn between low and high."""
    return flambeau.empty(1).uniform_(low, high).item()


def _randint(low, high):
    """One int drawn from low to high - 1."""
    return flambeau.randint(low, high, size=(1,)).item()


def _interpolation(mode):
    return _interpolation_modes_from_int(mode) if isinstance(mode, int) else mode


def _setup_size(size, error_msg="Please provide only two dimensions (h, w) for size."):
    if isinstance(size, numbers.Number):
        return int(size), int(size)
    if isinstance(size, Sequence) and len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError(error_msg)
    return size


def _check_sequence_input(x, name, req_sizes):
    if not isinstance(x, Sequence) or len(x) not in req_sizes:
        kind = ValueError if isinstance(x, Sequence) else TypeError
        lengths = " or ".join(map(str, req_sizes))
        raise kind(f"{name} should be a sequence of length {lengths}.")


def _setup_angle(x, name, req_sizes=(2,)):
    if isinstance(x, numbers.Number):
        if x < 0:
            raise ValueError(f"If {name} is a single number, it must be positive.")
        x = [-x, x]
    else:
        _check_sequence_input(x, name, req_sizes)
    return [float(d) for d in x]


def _setup_fill(fill):
    if fill is not None and not isinstance(fill, (Sequence, numbers.Number)):
        raise TypeError("Fill should be either a sequence or a number.")
    return 0 if fill is None else fill


def _fill_of(img, fill):
    """fill as functions on img's kind take it: tensors want one float a channel."""
    if fill is None or not isinstance(img, flambeau.Tensor):
        return fill
    if isinstance(fill, (int, float)):
        return [float(fill)] * F.get_image_num_channels(img)
    return [float(f) for f in fill]


def _check_scale_and_ratio(scale, ratio):
    if not isinstance(scale, Sequence):
        raise TypeError("Scale should be a sequence")
    if not isinstance(ratio, Sequence):
        raise TypeError("Ratio should be a sequence")
    if scale[0] > scale[1] or ratio[0] > ratio[1]:
        warnings.warn("Scale and ratio should be of kind (min, max)")


# ---- Of several transforms -----------------------------------------------------------------------
