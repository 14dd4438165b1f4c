"""Transforms that happen with a chance p: flips, inversion, perspective, erasing...

Each draws whether it happens, then what it needs, as torchvision does.
"""
from __future__ import annotations

import math
import numbers

import flambeau
from flambeau.nn import Module
from flambeau.vision.transforms import functional as F
from flambeau.vision.transforms._arguments import (
    _check_scale_and_ratio, _fill_of, _interpolation, _randint, _setup_fill, _uniform)
from flambeau.vision.transforms.functional import InterpolationMode


class _Chance(Module):
    """A function that is applied with probability p; `arguments` names what it takes besides."""

    arguments = ()

    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, img):
        return self.apply_to(img) if flambeau.rand(1).item() < self.p else img

    def apply_to(self, img):
        """The transformed image."""
        raise NotImplementedError

    def __repr__(self):
        shown = "".join(f"{name}={getattr(self, name)}," for name in self.arguments)
        return f"{self.__class__.__name__}({shown}p={self.p})"


class RandomHorizontalFlip(_Chance):
    """Mirrored with probability p."""

    def apply_to(self, img):
        return F.hflip(img)


class RandomVerticalFlip(_Chance):
    """Upside down with probability p."""

    def apply_to(self, img):
        return F.vflip(img)


class RandomGrayscale(_Chance):
    """Grey with probability p, of as many channels as before."""

    def __init__(self, p=0.1):
        super().__init__(p)

    def apply_to(self, img):
        return F.rgb_to_grayscale(img, num_output_channels=F.get_image_num_channels(img))


class RandomInvert(_Chance):
    """The negative with probability p."""

    def apply_to(self, img):
        return F.invert(img)


class RandomPosterize(_Chance):
    """functional.posterize with probability p."""

    arguments = ("bits",)

    def __init__(self, bits, p=0.5):
        super().__init__(p)
        self.bits = bits

    def apply_to(self, img):
        return F.posterize(img, self.bits)


class RandomSolarize(_Chance):
    """functional.solarize with probability p."""

    arguments = ("threshold",)

    def __init__(self, threshold, p=0.5):
        super().__init__(p)
        self.threshold = threshold

    def apply_to(self, img):
        return F.solarize(img, self.threshold)


class RandomAdjustSharpness(_Chance):
    """functional.adjust_sharpness with probability p."""

    arguments = ("sharpness_factor",)

    def __init__(self, sharpness_factor, p=0.5):
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def apply_to(self, img):
        return F.adjust_sharpness(img, self.sharpness_factor)


class RandomAutocontrast(_Chance):
    """functional.autocontrast with probability p."""

    def apply_to(self, img):
        return F.autocontrast(img)


class RandomEqualize(_Chance):
    """functional.equalize with probability p."""

    def apply_to(self, img):
        return F.equalize(img)


class RandomPerspective(_Chance):
    """Corners moved by up to distortion_scale of half the image, with probability p."""

    def __init__(
        self, distortion_scale=0.5, p=0.5, interpolation=InterpolationMode.BILINEAR, fill=0
    ):
        super().__init__(p)
        self.interpolation = _interpolation(interpolation)
        self.distortion_scale = distortion_scale
        self.fill = _setup_fill(fill)

    @staticmethod
    def get_params(width, height, distortion_scale):
        """(startpoints, endpoints), drawn corner by corner from the top left, clockwise."""
        reach_x = int(distortion_scale * (width // 2))
        reach_y = int(distortion_scale * (height // 2))
        sides_x = (0, reach_x + 1), (width - reach_x - 1, width)
        sides_y = (0, reach_y + 1), (height - reach_y - 1, height)
        corners = (0, 0), (1, 0), (1, 1), (0, 1)
        endpoints = [[_randint(*sides_x[x]), _randint(*sides_y[y])] for x, y in corners]
        return [[x * (width - 1), y * (height - 1)] for x, y in corners], endpoints

    def apply_to(self, img):
        _, height, width = F.get_dimensions(img)
        points = self.get_params(width, height, self.distortion_scale)
        return F.perspective(img, *points, self.interpolation, _fill_of(img, self.fill))


class RandomErasing(_Chance):
    """A rectangle of a tensor erased with probability p (Zhong et al., 2017)."""

    def __init__(self, p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False):
        super().__init__(p)
        if not isinstance(value, (numbers.Number, str, tuple, list)):
            raise TypeError("Argument value should be either a number or str or a sequence")
        if isinstance(value, str) and value != "random":
            raise ValueError("If value is str, it should be 'random'")
        _check_scale_and_ratio(scale, ratio)
        if scale[0] < 0 or scale[1] > 1:
            raise ValueError("Scale should be between 0 and 1")
        if p < 0 or p > 1:
            raise ValueError("Random erasing probability should be between 0 and 1")
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(img, scale, ratio, value=None):
        """(top, left, height, width, what to put there), drawn: ten tries, then nothing."""
        channels, height, width = img.shape[-3:]
        area = height * width
        log_ratio = flambeau.log(flambeau.tensor(ratio)).tolist()
        for _ in range(10):
            erased = area * _uniform(scale[0], scale[1])
            aspect = flambeau.exp(flambeau.empty(1).uniform_(*log_ratio)).item()
            h, w = int(round(math.sqrt(erased * aspect))), int(round(math.sqrt(erased / aspect)))
            if not (h < height and w < width):
                continue
            if value is None:
                v = flambeau.empty([channels, h, w], dtype=flambeau.float32).normal_()
            else:
                v = flambeau.tensor(value)[:, None, None]
            top = _randint(0, height - h + 1)
            return top, _randint(0, width - w + 1), h, w, v
        return 0, 0, height, width, img

    def apply_to(self, img):
        value = self.value
        if isinstance(value, str):
            value = None
        else:
            value = [float(v) for v in (value if isinstance(value, (list, tuple)) else [value])]
            if len(value) not in (1, img.shape[-3]):
                raise ValueError(
                    "If value is a sequence, it should have either a single value or "
                    f"{img.shape[-3]} (number of input channels)"
                )
        box = self.get_params(img, scale=self.scale, ratio=self.ratio, value=value)
        return F.erase(img, *box, self.inplace)

    def __repr__(self):
        return (
            f"{self.__class__.__name__}(p={self.p}, scale={self.scale}, ratio={self.ratio}, "
            f"value={self.value}, inplace={self.inplace})"
        )


# ---- With drawn amounts --------------------------------------------------------------------------
