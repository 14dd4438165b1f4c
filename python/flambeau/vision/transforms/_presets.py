"""The transforms that weights were trained with (source: torchvision.transforms._presets)."""
from __future__ import annotations

import flambeau
from flambeau.nn import Module
from flambeau.vision.transforms import functional as F
from flambeau.vision.transforms.functional import InterpolationMode


class ImageClassification(Module):
    """Resized, the middle cut out, made floats, normalised."""

    def __init__(
        self,
        *,
        crop_size,
        resize_size=256,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        interpolation=InterpolationMode.BILINEAR,
        antialias=True,
    ):
        super().__init__()
        self.crop_size = [crop_size]
        self.resize_size = [resize_size]
        self.mean = list(mean)
        self.std = list(std)
        self.interpolation = interpolation
        self.antialias = antialias

    def forward(self, img):
        img = F.resize(
            img, self.resize_size, interpolation=self.interpolation, antialias=self.antialias
        )
        img = F.center_crop(img, self.crop_size)
        if not isinstance(img, flambeau.Tensor):
            img = F.pil_to_tensor(img)
        img = F.convert_image_dtype(img, flambeau.float32)
        return F.normalize(img, mean=self.mean, std=self.std)

    def __repr__(self):
        return (
            f"{self.__class__.__name__}(\n    crop_size={self.crop_size}\n    "
            f"resize_size={self.resize_size}\n    mean={self.mean}\n    std={self.std}\n    "
            f"interpolation={self.interpolation}\n)"
        )
