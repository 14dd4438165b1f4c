"""Augmentation by drawn operations: AutoAugment, RandAugment, TrivialAugment, AugMix (source:
torchvision.transforms.autoaugment)."""
from __future__ import annotations

import math
from enum import Enum

import flambeau
from flambeau.nn import Module
from flambeau.vision.transforms import functional as F
from flambeau.vision.transforms.functional import InterpolationMode
from flambeau.vision.transforms._arguments import _fill_of, _randint

__all__ = ["AutoAugmentPolicy", "AutoAugment", "RandAugment", "TrivialAugmentWide", "AugMix"]


def _apply_op(img, op_name, magnitude, interpolation, fill, F=F):
    """An operation of that name and strength; F: the module whose functions do it."""
    if op_name in ("ShearX", "ShearY"):
        angle = math.degrees(math.atan(magnitude))
        shear = [angle, 0.0] if op_name == "ShearX" else [0.0, angle]
        return F.affine(img, 0.0, [0, 0], 1.0, shear, interpolation, fill, center=[0, 0])
    if op_name in ("TranslateX", "TranslateY"):
        move = [int(magnitude), 0] if op_name == "TranslateX" else [0, int(magnitude)]
        return F.affine(img, 0.0, move, 1.0, [0.0, 0.0], interpolation, fill)
    if op_name == "Rotate":
        return F.rotate(img, magnitude, interpolation=interpolation, fill=fill)
    if op_name == "Posterize":
        return F.posterize(img, int(magnitude))
    if op_name == "Solarize":
        return F.solarize(img, magnitude)
    if op_name == "Identity":
        return img
    if op_name in _ENHANCEMENTS:
        return getattr(F, _ENHANCEMENTS[op_name])(img, 1.0 + magnitude)
    if op_name in _PLAIN:
        return getattr(F, _PLAIN[op_name])(img)
    raise ValueError(f"The provided operator {op_name} is not recognized.")


_ENHANCEMENTS = {
    "Brightness": "adjust_brightness",
    "Color": "adjust_saturation",
    "Contrast": "adjust_contrast",
    "Sharpness": "adjust_sharpness",
}
_PLAIN = {"AutoContrast": "autocontrast", "Equalize": "equalize", "Invert": "invert"}


def _space(names, bins, width, height, slant=0.3, turn=30.0, change=0.9, bits=(8, 4),
           white=255.0):
    """{name: (the strengths to choose from, whether the sign is drawn)}, in the order of names.
    width, height: the furthest shifts; bits: where Posterize begins and how far it goes down; white:
    where Solarize begins."""
    most = {"ShearX": slant, "ShearY": slant, "Rotate": turn}
    most |= {"TranslateX": width, "TranslateY": height}
    most |= dict.fromkeys(_ENHANCEMENTS, change)
    space = {}
    for name in names:
        if name in most:
            space[name] = flambeau.linspace(0.0, most[name], bins), True
        elif name == "Posterize":
            steps = flambeau.arange(bins) / ((bins - 1) / bits[1])
            space[name] = bits[0] - steps.round().int(), False
        elif name == "Solarize":
            space[name] = flambeau.linspace(white, 0.0, bins), False
        else:
            space[name] = flambeau.tensor(0.0), False
    return space


_NAMES = (
    "ShearX ShearY TranslateX TranslateY Rotate Brightness Color Contrast Sharpness Posterize "
    "Solarize AutoContrast Equalize"
).split()


def _draw_op(space):
    """(name, strengths, whether signed) of an operation drawn from a space."""
    name = list(space)[int(flambeau.randint(len(space), (1,)).item())]
    return name, *space[name]


def _signed(magnitude, signed):
    """The strength, with a drawn sign where it has one."""
    return -magnitude if signed and flambeau.randint(2, (1,)).item() else magnitude


class AutoAugmentPolicy(Enum):
    """The data that a policy of AutoAugment was learned on."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


# Cubuk et al., "AutoAugment", 2019: two operations a line, each with its probability in tenths and
# its strength.
_POLICIES = {
    AutoAugmentPolicy.IMAGENET: """
        Posterize 4 8 Rotate 6 9; Solarize 6 5 AutoContrast 6 -; Equalize 8 - Equalize 6 -;
        Posterize 6 7 Posterize 6 6; Equalize 4 - Solarize 2 4; Equalize 4 - Rotate 8 8;
        Solarize 6 3 Equalize 6 -; Posterize 8 5 Equalize 10 -; Rotate 2 3 Solarize 6 8;
        Equalize 6 - Posterize 4 6; Rotate 8 8 Color 4 0; Rotate 4 9 Equalize 6 -;
        Equalize 0 - Equalize 8 -; Invert 6 - Equalize 10 -; Color 6 4 Contrast 10 8;
        Rotate 8 8 Color 10 2; Color 8 8 Solarize 8 7; Sharpness 4 7 Invert 6 -;
        ShearX 6 5 Equalize 10 -; Color 4 0 Equalize 6 -; Equalize 4 - Solarize 2 4;
        Solarize 6 5 AutoContrast 6 -; Invert 6 - Equalize 10 -; Color 6 4 Contrast 10 8;
        Equalize 8 - Equalize 6 -""",
    AutoAugmentPolicy.CIFAR10: """
        Invert 1 - Contrast 2 6; Rotate 7 2 TranslateX 3 9; Sharpness 8 1 Sharpness 9 3;
        ShearY 5 8 TranslateY 7 9; AutoContrast 5 - Equalize 9 -; ShearY 2 7 Posterize 3 7;
        Color 4 3 Brightness 6 7; Sharpness 3 9 Brightness 7 9; Equalize 6 - Equalize 5 -;
        Contrast 6 7 Sharpness 6 5; Color 7 7 TranslateX 5 8; Equalize 3 - AutoContrast 4 -;
        TranslateY 4 3 Sharpness 2 6; Brightness 9 6 Color 2 8; Solarize 5 2 Invert 0 -;
        Equalize 2 - AutoContrast 6 -; Equalize 2 - Equalize 6 -; Color 9 9 Equalize 6 -;
        AutoContrast 8 - Solarize 2 8; Brightness 1 3 Color 7 0; Solarize 4 5 AutoContrast 9 -;
        TranslateY 9 9 TranslateY 7 9; AutoContrast 9 - Solarize 8 3; Equalize 8 - Invert 1 -;
        TranslateY 7 9 AutoContrast 9 -""",
    AutoAugmentPolicy.SVHN: """
        ShearX 9 4 Invert 2 -; ShearY 9 8 Invert 7 -; Equalize 6 - Solarize 6 6;
        Invert 9 - Equalize 6 -; Equalize 6 - Rotate 9 3; ShearX 9 4 AutoContrast 8 -;
        ShearY 9 8 Invert 4 -; ShearY 9 5 Solarize 2 6; Invert 9 - AutoContrast 8 -;
        Equalize 6 - Rotate 9 3; ShearX 9 4 Solarize 3 3; ShearY 8 8 Invert 7 -;
        Equalize 9 - TranslateY 6 6; Invert 9 - Equalize 6 -; Contrast 3 3 Rotate 8 4;
        Invert 8 - TranslateY 0 2; ShearY 7 6 Solarize 4 8; Invert 6 - Rotate 8 4;
        ShearY 3 7 TranslateX 9 3; ShearX 1 6 Invert 6 -; Solarize 7 2 TranslateY 6 7;
        ShearY 8 4 Invert 8 -; ShearX 7 9 TranslateY 8 3; ShearY 8 5 AutoContrast 7 -;
        ShearX 7 2 Invert 1 -""",
}


def _parse_policy(text):
    """[((name, probability, strength or None), ...)] of a policy's text."""
    lines = []
    for line in text.split(";"):
        words = line.split()
        lines.append(
            tuple(
                (name, int(tenths) / 10, None if strength == "-" else int(strength))
                for name, tenths, strength in zip(words[::3], words[1::3], words[2::3])
            )
        )
    return lines


class AutoAugment(Module):
    """One of 25 learned pairs of operations, drawn (Cubuk et al., 2019)."""

    def __init__(
        self,
        policy=AutoAugmentPolicy.IMAGENET,
        interpolation=InterpolationMode.NEAREST,
        fill=None,
    ):
        super().__init__()
        self.policy = policy
        self.interpolation = interpolation
        self.fill = fill
        self.policies = self._get_policies(policy)

    @staticmethod
    def _get_policies(policy):
        if policy not in _POLICIES:
            raise ValueError(f"The provided policy {policy} is not recognized.")
        return _parse_policy(_POLICIES[policy])

    @staticmethod
    def _augmentation_space(num_bins, image_size):
        height, width = (150.0 / 331.0 * n for n in image_size)
        return _space([*_NAMES, "Invert"], num_bins, width, height)

    @staticmethod
    def get_params(transform_num):
        """(which pair, two probabilities, two signs), drawn."""
        pair = int(flambeau.randint(transform_num, (1,)).item())
        chances = flambeau.rand((2,))
        return pair, chances, flambeau.randint(2, (2,))

    def forward(self, img):
        fill = _fill_of(img, self.fill)
        _, height, width = F.get_dimensions(img)
        pair, chances, signs = self.get_params(len(self.policies))
        space = self._augmentation_space(10, (height, width))
        for i, (name, p, strength) in enumerate(self.policies[pair]):
            if chances[i] <= p:
                strengths, signed = space[name]
                magnitude = 0.0 if strength is None else float(strengths[strength].item())
                if signed and signs[i] == 0:
                    magnitude = -magnitude
                img = _apply_op(img, name, magnitude, self.interpolation, fill)
        return img

    def __repr__(self):
        return f"{self.__class__.__name__}(policy={self.policy}, fill={self.fill})"


class RandAugment(Module):
    """num_ops operations of one strength, drawn (Cubuk et al., 2020)."""

    def __init__(
        self,
        num_ops=2,
        magnitude=9,
        num_magnitude_bins=31,
        interpolation=InterpolationMode.NEAREST,
        fill=None,
    ):
        super().__init__()
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation
        self.fill = fill

    @staticmethod
    def _augmentation_space(num_bins, image_size):
        height, width = (150.0 / 331.0 * n for n in image_size)
        return _space(["Identity", *_NAMES], num_bins, width, height)

    def forward(self, img):
        fill = _fill_of(img, self.fill)
        _, height, width = F.get_dimensions(img)
        space = self._augmentation_space(self.num_magnitude_bins, (height, width))
        for _ in range(self.num_ops):
            name, strengths, signed = _draw_op(space)
            magnitude = float(strengths[self.magnitude].item()) if strengths.ndim else 0.0
            img = _apply_op(img, name, _signed(magnitude, signed), self.interpolation, fill)
        return img

    def __repr__(self):
        return (
            f"{self.__class__.__name__}(num_ops={self.num_ops}, magnitude={self.magnitude}, "
            f"num_magnitude_bins={self.num_magnitude_bins}, interpolation={self.interpolation}, "
            f"fill={self.fill})"
        )


class TrivialAugmentWide(Module):
    """One operation of any strength, drawn (Müller and Hutter, 2021)."""

    def __init__(
        self, num_magnitude_bins=31, interpolation=InterpolationMode.NEAREST, fill=None
    ):
        super().__init__()
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation
        self.fill = fill

    @staticmethod
    def _augmentation_space(num_bins):
        names = ["Identity", *_NAMES]
        return _space(names, num_bins, 32.0, 32.0, 0.99, 135.0, 0.99, bits=(8, 6))

    def forward(self, img):
        fill = _fill_of(img, self.fill)
        name, strengths, signed = _draw_op(self._augmentation_space(self.num_magnitude_bins))
        magnitude = 0.0
        if strengths.ndim:
            magnitude = float(strengths[_randint(0, len(strengths))].item())
        return _apply_op(img, name, _signed(magnitude, signed), self.interpolation, fill)

    def __repr__(self):
        return (
            f"{self.__class__.__name__}(num_magnitude_bins={self.num_magnitude_bins}, "
            f"interpolation={self.interpolation}, fill={self.fill})"
        )


class AugMix(Module):
    """The image mixed with chains of drawn operations (Hendrycks et al., 2020)."""

    _PARAMETER_MAX = 10

    def __init__(
        self,
        severity=3,
        mixture_width=3,
        chain_depth=-1,
        alpha=1.0,
        all_ops=True,
        interpolation=InterpolationMode.BILINEAR,
        fill=None,
    ):
        super().__init__()
        if not 1 <= severity <= self._PARAMETER_MAX:
            raise ValueError(
                f"The severity must be between [1, {self._PARAMETER_MAX}]. Got {severity} instead."
            )
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops
        self.interpolation = interpolation
        self.fill = fill

    def _augmentation_space(self, num_bins, image_size):
        names = [name for name in _NAMES if name not in _ENHANCEMENTS]
        names += _ENHANCEMENTS if self.all_ops else []
        height, width = (n / 3.0 for n in image_size)
        return _space(names, num_bins, width, height, bits=(4, 4))

    @staticmethod
    def _sample_dirichlet(params):
        return flambeau._sample_dirichlet(params)

    def forward(self, orig_img):
        fill = _fill_of(orig_img, self.fill)
        _, height, width = F.get_dimensions(orig_img)
        tensor = isinstance(orig_img, flambeau.Tensor)
        img = orig_img if tensor else F.pil_to_tensor(orig_img)
        space = self._augmentation_space(self._PARAMETER_MAX, (height, width))
        batch = img.view([1] * max(4 - img.ndim, 0) + list(img.shape))
        ones = [batch.size(0)] + [1] * (batch.ndim - 1)
        drawn = flambeau.tensor([self.alpha, self.alpha]).expand(ones[0], -1)
        share = self._sample_dirichlet(drawn)
        drawn = flambeau.tensor([self.alpha] * self.mixture_width).expand(ones[0], -1)
        weights = self._sample_dirichlet(drawn) * share[:, 1].view([ones[0], -1])
        mix = share[:, 0].view(ones) * batch
        for i in range(self.mixture_width):
            part = batch
            depth = self.chain_depth if self.chain_depth > 0 else _randint(1, 4)
            for _ in range(depth):
                name, strengths, signed = _draw_op(space)
                magnitude = 0.0
                if strengths.ndim:
                    magnitude = float(strengths[_randint(0, self.severity)].item())
                part = _apply_op(part, name, _signed(magnitude, signed), self.interpolation, fill)
            mix.add_(weights[:, i].view(ones) * part)
        mix = mix.view(img.shape).to(dtype=img.dtype)
        return mix if tensor else F.to_pil_image(mix)

    def __repr__(self):
        return (
            f"{self.__class__.__name__}(severity={self.severity}, "
            f"mixture_width={self.mixture_width}, chain_depth={self.chain_depth}, "
            f"alpha={self.alpha}, all_ops={self.all_ops}, interpolation={self.interpolation}, "
            f"fill={self.fill})"
        )
