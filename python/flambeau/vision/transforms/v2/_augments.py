"""Augmentation by drawn operations (source: torchvision.transforms.v2._auto_augment). The
operations, their strengths and AutoAugment's policies are those of transforms.autoaugment; what is
drawn is drawn otherwise.
"""
from __future__ import annotations

import flambeau
from flambeau.vision import is_pillow_image, tv_tensors
from flambeau.vision.transforms import autoaugment as v1
from flambeau.vision.transforms.autoaugment import AutoAugmentPolicy
from flambeau.vision.transforms.v2 import functional as F
from flambeau.vision.transforms.v2._moves import _fill_for
from flambeau.vision.transforms.v2._transform import Transform, _flatten, is_image, is_pure_tensor

__all__ = ["AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide", "AugMix"]


class _Augment(Transform):
    """Subclasses define augment(image, height, width) for the one image or video of a sample."""

    def __init__(self, interpolation, fill):
        super().__init__()
        self.interpolation = interpolation
        self.fill = fill

    def augment(self, image, height, width):
        """The image after drawn operations."""
        raise NotImplementedError

    def forward(self, *inputs):
        leaves = []
        build = _flatten(inputs if len(inputs) > 1 else inputs[0], leaves)
        images = []
        for i, (x, wanted) in enumerate(zip(leaves, self._wanted_among(leaves))):
            if wanted and (is_image(x) or is_pure_tensor(x)):
                images.append(i)
            elif isinstance(x, (tv_tensors.BoundingBoxes, tv_tensors.Mask)):
                raise TypeError(
                    f"Inputs of type {type(x).__name__} are not supported by"
                    f" {type(self).__name__}()"
                )
        if not images:
            raise TypeError("Found no image in the sample.")
        if len(images) > 1:
            raise TypeError(
                "Auto augment transformations are only properly defined for a single image or "
                f"video, but found {len(images)}."
            )
        image = leaves[images[0]]
        leaves[images[0]] = self.augment(image, *F.get_size(image))
        return build(iter(leaves))

    def _apply(self, image, name, strengths, signed, which):
        """The operation of the strength that which() picks, with a drawn sign where it has one."""
        magnitude = 0.0
        if strengths.ndim:
            magnitude = float(strengths[which()].item())
            if signed and flambeau.rand(()).item() <= 0.5:
                magnitude = -magnitude
        if name == "Solarize" and not (
            isinstance(image, flambeau.Tensor) and image.is_floating_point()
        ):
            magnitude *= 255.0
        fill = _fill_for(self.fill, image)
        return v1._apply_op(image, name, magnitude, self.interpolation, fill, F)


def _pick(count):
    return int(flambeau.randint(count, ()).item())


def _draw_op(space):
    name = list(space)[_pick(len(space))]
    return name, *space[name]


class AutoAugment(_Augment):
    """One of 25 learned pairs of operations, drawn (Cubuk et al., 2019)."""

    def __init__(self, policy=AutoAugmentPolicy.IMAGENET, interpolation="nearest", fill=None):
        super().__init__(interpolation, fill)
        self.policy = policy
        self._policies = v1.AutoAugment._get_policies(policy)

    def augment(self, image, height, width):
        width, height = 150.0 / 331.0 * width, 150.0 / 331.0 * height
        space = v1._space([*v1._NAMES, "Invert"], 10, width, height, white=1.0)
        for name, p, strength in self._policies[_pick(len(self._policies))]:
            if flambeau.rand(()).item() <= p:
                image = self._apply(image, name, *space[name], lambda: strength)
        return image


class RandAugment(_Augment):
    """num_ops operations of one strength, drawn (Cubuk et al., 2020)."""

    def __init__(self, num_ops=2, magnitude=9, num_magnitude_bins=31, interpolation="nearest",
                 fill=None):
        super().__init__(interpolation, fill)
        if not isinstance(num_ops, int) or num_ops < 0:
            raise ValueError(
                f"num_ops should be a non-negative integer, but got {num_ops} instead."
            )
        self.num_ops, self.magnitude = num_ops, magnitude
        self.num_magnitude_bins = num_magnitude_bins

    def augment(self, image, height, width):
        width, height = 150.0 / 331.0 * width, 150.0 / 331.0 * height
        names = ["Identity", *v1._NAMES]
        space = v1._space(names, self.num_magnitude_bins, width, height, white=1.0)
        for _ in range(self.num_ops):
            image = self._apply(image, *_draw_op(space), lambda: self.magnitude)
        return image


class TrivialAugmentWide(_Augment):
    """One operation of any strength, drawn (Müller and Hutter, 2021)."""

    def __init__(self, num_magnitude_bins=31, interpolation="nearest", fill=None):
        super().__init__(interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def augment(self, image, height, width):
        names, bins = ["Identity", *v1._NAMES], self.num_magnitude_bins
        space = v1._space(names, bins, 32.0, 32.0, 0.99, 135.0, 0.99, (8, 6), white=1.0)
        return self._apply(image, *_draw_op(space), lambda: _pick(bins))


class AugMix(_Augment):
    """The image mixed with chains of drawn operations (Hendrycks et al., 2020)."""

    _PARAMETER_MAX = 10

    def __init__(self, severity=3, mixture_width=3, chain_depth=-1, alpha=1.0, all_ops=True,
                 interpolation="bilinear", fill=None):
        super().__init__(interpolation, fill)
        if not 1 <= severity <= self._PARAMETER_MAX:
            raise ValueError(
                f"The severity must be between [1, {self._PARAMETER_MAX}]. Got {severity} instead."
            )
        self.severity, self.mixture_width = severity, mixture_width
        self.chain_depth, self.alpha, self.all_ops = chain_depth, alpha, all_ops

    def _space(self, height, width):
        names = [name for name in v1._NAMES if name not in v1._ENHANCEMENTS]
        names += v1._ENHANCEMENTS if self.all_ops else []
        bins = self._PARAMETER_MAX
        return v1._space(names, bins, width / 3.0, height / 3.0, bits=(4, 4), white=1.0)

    def augment(self, image, height, width):
        pixels = F.pil_to_tensor(image) if is_pillow_image(image) else F._plain(image)
        space = self._space(height, width)
        dims = 5 if isinstance(image, tv_tensors.Video) else 4
        batch = pixels.reshape([1] * max(dims - pixels.ndim, 0) + list(pixels.shape))
        count = batch.shape[0]
        ones = [count] + [1] * (batch.ndim - 1)
        alphas = flambeau.tensor([self.alpha] * max(2, self.mixture_width))
        share = flambeau._sample_dirichlet(alphas[:2].expand(count, -1))
        weights = flambeau._sample_dirichlet(alphas[: self.mixture_width].expand(count, -1))
        weights = weights * share[:, 1].reshape(count, -1)
        mix = share[:, 0].reshape(ones) * batch
        for i in range(self.mixture_width):
            part = batch
            depth = self.chain_depth
            if depth <= 0:
                depth = int(flambeau.randint(1, 4, (1,)).item())
            for _ in range(depth):
                part = self._apply(part, *_draw_op(space), lambda: _pick(self.severity))
            mix.add_(weights[:, i].reshape(ones) * part)
        mix = mix.reshape(pixels.shape).to(pixels.dtype)
        return F.to_pil_image(mix) if is_pillow_image(image) else F._rewrap(mix, image)
