"""Regions from the map of a pyramid that suits their size (source: torchvision.ops.poolers)."""
from __future__ import annotations

import flambeau
from flambeau import nn
from flambeau.vision.ops.boxes import box_area
from flambeau.vision.ops.regions import roi_align

__all__ = ["LevelMapper", "MultiScaleRoIAlign", "initLevelMapper"]


class LevelMapper:
    """Which level serves a box: that of canonical_scale is canonical_level, one more for each
    doubling (equation 1 of the paper on feature pyramids)."""

    def __init__(self, k_min, k_max, canonical_scale=224, canonical_level=4, eps=1e-6):
        self.k_min, self.k_max = k_min, k_max
        self.s0, self.lvl0, self.eps = canonical_scale, canonical_level, eps

    def __call__(self, boxlists):
        size = flambeau.sqrt(flambeau.cat([box_area(boxes) for boxes in boxlists]))
        eps = flambeau.tensor(self.eps, dtype=size.dtype)
        levels = flambeau.floor(self.lvl0 + flambeau.log2(size / self.s0) + eps)
        levels = flambeau.clamp(levels, min=self.k_min, max=self.k_max)
        return (levels.to(flambeau.int64) - self.k_min).to(flambeau.int64)


def initLevelMapper(k_min, k_max, canonical_scale=224, canonical_level=4, eps=1e-6):
    """A LevelMapper."""
    return LevelMapper(k_min, k_max, canonical_scale, canonical_level, eps)


class MultiScaleRoIAlign(nn.Module):
    """roi_align on several maps (dict of (N, C, H, W)), each box (lists of (L, 4), one an image) on
    the one of its size: (K, C, *output_size). Which scales the maps have is found from the first
    call's."""

    def __init__(self, featmap_names, output_size, sampling_ratio, *, canonical_scale=224,
                 canonical_level=4):
        super().__init__()
        if isinstance(output_size, int):
            output_size = (output_size, output_size)
        self.featmap_names, self.sampling_ratio = featmap_names, sampling_ratio
        self.output_size = tuple(output_size)
        self.scales = self.map_levels = None
        self.canonical_scale, self.canonical_level = canonical_scale, canonical_level

    def _find_scales(self, maps, image_shapes):
        """The power of two nearest to each map's height over the images'."""
        if not image_shapes:
            raise ValueError("images list should not be empty")
        height = max(shape[0] for shape in image_shapes)
        ratios = [flambeau.tensor(float(x.shape[-2]) / float(height)) for x in maps]
        self.scales = [2.0 ** float(ratio.log2().round()) for ratio in ratios]
        levels = [-flambeau.log2(flambeau.tensor(s)).item() for s in (self.scales[0], self.scales[-1])]
        self.map_levels = initLevelMapper(
            int(levels[0]), int(levels[1]), self.canonical_scale, self.canonical_level
        )

    def forward(self, x, boxes, image_shapes):
        maps = [value for name, value in x.items() if name in self.featmap_names]
        if self.scales is None or self.map_levels is None:
            self._find_scales(maps, image_shapes)
        numbers = [flambeau.full_like(box[:, :1], i) for i, box in enumerate(boxes)]
        rois = flambeau.cat((flambeau.cat(numbers), flambeau.cat(list(boxes))), 1)
        if len(maps) == 1:
            return roi_align(maps[0], rois, self.output_size, self.scales[0], self.sampling_ratio)
        levels = self.map_levels(boxes)
        result = flambeau.zeros(
            (len(rois), maps[0].shape[1], *self.output_size), dtype=maps[0].dtype,
            device=maps[0].device,
        )
        for level, (own, scale) in enumerate(zip(maps, self.scales)):
            chosen = flambeau.where(levels == level)[0]
            pooled = roi_align(own, rois[chosen], self.output_size, scale, self.sampling_ratio)
            result[chosen] = pooled.to(result.dtype)
        return result

    def __repr__(self):
        return (
            f"{self.__class__.__name__}(featmap_names={self.featmap_names}, "
            f"output_size={self.output_size}, sampling_ratio={self.sampling_ratio})"
        )
