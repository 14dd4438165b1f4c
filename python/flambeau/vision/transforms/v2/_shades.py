"""Colours, blur, erasing, augmentation (source: torchvision.transforms.v2._color, _misc,
_augment)."""
from __future__ import annotations

import flambeau
from flambeau.vision.transforms import transforms as v1
from flambeau.vision.transforms.v2 import functional as F
from flambeau.vision.transforms.v2._transform import Chance, Transform, is_image, is_pure_tensor

__all__ = (
    "Grayscale RandomGrayscale RGB ColorJitter RandomChannelPermutation "
    "RandomPhotometricDistort RandomInvert RandomPosterize RandomSolarize RandomAdjustSharpness "
    "RandomAutocontrast RandomEqualize GaussianBlur GaussianNoise RandomErasing JPEG"
).split()


class Grayscale(Transform):
    """Grey, in one or three channels."""

    def __init__(self, num_output_channels=1):
        super().__init__()
        self.num_output_channels = num_output_channels

    def transform(self, inpt, params):
        return F.rgb_to_grayscale(inpt, num_output_channels=self.num_output_channels)


class RandomGrayscale(Chance):
    """Grey with probability p, of as many channels as before."""

    def __init__(self, p=0.1):
        super().__init__(p)

    def make_params(self, flat_inputs):
        images = [x for x in flat_inputs if is_image(x) or is_pure_tensor(x)]
        return {"channels": F.get_num_channels(images[0])}

    def transform(self, inpt, params):
        return F.rgb_to_grayscale(inpt, num_output_channels=params["channels"])


class RGB(Transform):
    """The image in three channels."""

    def transform(self, inpt, params):
        return F.grayscale_to_rgb(inpt) if is_image(inpt) or is_pure_tensor(inpt) else inpt


class ColorJitter(Transform):
    """Brightness, contrast, saturation and hue changed by drawn factors, in a drawn order."""

    get_params = staticmethod(v1.ColorJitter.get_params)

    def __init__(self, brightness=None, contrast=None, saturation=None, hue=None):
        super().__init__()
        check = v1.ColorJitter._check_input
        self.brightness = None if brightness is None else check(brightness, "brightness")
        self.contrast = None if contrast is None else check(contrast, "contrast")
        self.saturation = None if saturation is None else check(saturation, "saturation")
        self.hue = None
        if hue is not None:
            self.hue = check(hue, "hue", 0, (-0.5, 0.5), clip_first_on_zero=False)

    def make_params(self, flat_inputs):
        order, *factors = self.get_params(
            self.brightness, self.contrast, self.saturation, self.hue
        )
        return {"order": order.tolist(), "factors": factors}

    def transform(self, inpt, params):
        return _adjusted(inpt, params)


def _adjusted(inpt, params):
    """Brightness, contrast, saturation and hue, in params["order"], by factors that are not None."""
    change = F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue
    for i in params["order"]:
        if params["factors"][i] is not None:
            inpt = change[i](inpt, params["factors"][i])
    return inpt


class RandomChannelPermutation(Transform):
    """The channels in a drawn order."""

    def make_params(self, flat_inputs):
        images = [x for x in flat_inputs if is_image(x) or is_pure_tensor(x)]
        return {"order": flambeau.randperm(F.get_num_channels(images[0]))}

    def transform(self, inpt, params):
        return F.permute_channels(inpt, params["order"])


class RandomPhotometricDistort(Transform):
    """ColorJitter's changes and an order of the channels, each with probability p (Liu et al.,
    SSD, 2016)."""

    def __init__(self, brightness=(0.875, 1.125), contrast=(0.5, 1.5), saturation=(0.5, 1.5),
                 hue=(-0.05, 0.05), p=0.5):
        super().__init__()
        self.brightness, self.contrast = brightness, contrast
        self.hue, self.saturation = hue, saturation
        self.p = p

    def make_params(self, flat_inputs):
        images = [x for x in flat_inputs if is_image(x) or is_pure_tensor(x)]
        factors = []
        for low, high in (self.brightness, self.contrast, self.saturation, self.hue):
            chosen = flambeau.rand(1).item() < self.p
            factors.append(flambeau.empty(1).uniform_(low, high).item() if chosen else None)
        order = (0, 1, 2, 3) if flambeau.rand(()).item() < 0.5 else (0, 2, 3, 1)
        channels = None
        if flambeau.rand(1).item() < self.p:
            channels = flambeau.randperm(F.get_num_channels(images[0]))
        return {"order": order, "factors": factors, "channels": channels}

    def transform(self, inpt, params):
        inpt = _adjusted(inpt, params)
        if params["channels"] is None:
            return inpt
        return F.permute_channels(inpt, params["channels"])


class _Plain(Chance):
    """A function of the image and of the attributes that `arguments` names."""

    function, arguments = None, ()

    def transform(self, inpt, params):
        return getattr(F, self.function)(inpt, *[getattr(self, name) for name in self.arguments])


class RandomInvert(_Plain):
    """The negative with probability p."""

    function = "invert"


class RandomAutocontrast(_Plain):
    """functional.autocontrast with probability p."""

    function = "autocontrast"


class RandomEqualize(_Plain):
    """functional.equalize with probability p."""

    function = "equalize"


class RandomPosterize(_Plain):
    """functional.posterize with probability p."""

    function, arguments = "posterize", ("bits",)

    def __init__(self, bits, p=0.5):
        super().__init__(p)
        self.bits = bits


class RandomSolarize(_Plain):
    """functional.solarize with probability p."""

    function, arguments = "solarize", ("threshold",)

    def __init__(self, threshold, p=0.5):
        super().__init__(p)
        self.threshold = threshold


class RandomAdjustSharpness(_Plain):
    """functional.adjust_sharpness with probability p."""

    function, arguments = "adjust_sharpness", ("sharpness_factor",)

    def __init__(self, sharpness_factor, p=0.5):
        super().__init__(p)
        self.sharpness_factor = sharpness_factor


class GaussianBlur(Transform):
    """Blurred by a Gaussian whose sigma is drawn from a range."""

    get_params = staticmethod(v1.GaussianBlur.get_params)

    def __init__(self, kernel_size, sigma=(0.1, 2.0)):
        super().__init__()
        checked = v1.GaussianBlur(kernel_size, sigma)
        self.kernel_size = checked.kernel_size
        self.sigma = [float(s) for s in checked.sigma]

    def make_params(self, flat_inputs):
        return {"sigma": [self.get_params(*self.sigma)] * 2}

    def transform(self, inpt, params):
        return F.gaussian_blur(inpt, self.kernel_size, params["sigma"])


class GaussianNoise(Transform):
    """functional.gaussian_noise."""

    def __init__(self, mean=0.0, sigma=0.1, clip=True):
        super().__init__()
        self.mean = mean
        self.sigma = sigma
        self.clip = clip

    def transform(self, inpt, params):
        return F.gaussian_noise(inpt, self.mean, self.sigma, self.clip)


class RandomErasing(Chance):
    """A rectangle of a tensor erased with probability p."""

    get_params = staticmethod(v1.RandomErasing.get_params)

    def __init__(self, p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0.0, inplace=False):
        super().__init__(p)
        v1.RandomErasing(p, scale, ratio, value, inplace)
        self.scale = scale
        self.ratio = ratio
        if not isinstance(value, str):
            value = value if isinstance(value, (list, tuple)) else [value]
            self.value = [float(v) for v in value]
        else:
            self.value = None
        self.inplace = inplace

    def make_params(self, flat_inputs):
        images = [x for x in flat_inputs if is_image(x) or is_pure_tensor(x)]
        channels, *size = F.get_dimensions(images[0])
        if self.value is not None and len(self.value) not in (1, channels):
            raise ValueError(
                "If value is a sequence, it should have either a single value or "
                f"{channels} (number of inpt channels)"
            )
        shape = flambeau.empty(channels, *size)
        found = self.get_params(shape, self.scale, self.ratio, self.value)
        return {"box": None if found[4] is shape else found}

    def transform(self, inpt, params):
        if params["box"] is None:
            return inpt
        return F.erase(inpt, *params["box"], self.inplace)


class JPEG(Transform):
    """functional.jpeg of a quality drawn from a range."""

    def __init__(self, quality):
        super().__init__()
        if isinstance(quality, bool):
            raise TypeError("quality can't be bool")
        quality = [quality, quality] if isinstance(quality, int) else quality
        if not isinstance(quality, (list, tuple)):
            raise TypeError("quality should be a sequence of length 2.")
        if len(quality) != 2:
            raise ValueError("quality should be a sequence of length 2.")
        low, high = quality
        if not (isinstance(low, int) and isinstance(high, int) and 1 <= low <= high <= 100):
            raise ValueError(f"quality must be an integer from 1 to 100, got {quality =}")
        self.quality = quality

    def make_params(self, flat_inputs):
        low, high = self.quality
        return {"quality": flambeau.randint(low, high + 1, ()).item()}

    def transform(self, inpt, params):
        return F.jpeg(inpt, params["quality"])
