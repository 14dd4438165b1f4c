"""Dropout of whole squares and cubes (source: torchvision.ops.drop_block; Ghiasi et al., "DropBlock",
2018)."""
from __future__ import annotations

import flambeau
from flambeau import nn
from flambeau.nn import functional as F

__all__ = ["DropBlock2d", "DropBlock3d", "drop_block2d", "drop_block3d"]


def _drop(input, p, block_size, inplace, eps, training, pool):
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}.")
    ndim = 4 if pool is F.max_pool2d else 5
    if input.ndim != ndim:
        raise ValueError(f"input should be {ndim} dimensional. Got {input.ndim} dimensions.")
    if block_size % 2 == 0:
        raise ValueError(f"block size should be odd. Got {block_size} which is even.")
    if not training or p == 0.0:
        return input
    size = input.shape[2:]
    block = min(block_size, *size)
    gamma, places = p, 1
    for n in size:
        gamma *= n
        places *= n - block + 1
    gamma /= block ** len(size) * places
    noise = flambeau.empty(
        (*input.shape[:2], *(n - block + 1 for n in size)), dtype=input.dtype, device=input.device
    ).bernoulli_(gamma)
    noise = F.pad(noise, [block // 2] * (2 * len(size)), value=0)
    noise = 1 - pool(noise, stride=1, kernel_size=block, padding=block // 2)
    scale = noise.numel() / (eps + noise.sum())
    return input.mul_(noise).mul_(scale) if inplace else input * noise * scale


def drop_block2d(input, p, block_size, inplace=False, eps=1e-6, training=True):
    """input (N, C, H, W) with squares of block_size set to 0, each place with probability p."""
    return _drop(input, p, block_size, inplace, eps, training, F.max_pool2d)


def drop_block3d(input, p, block_size, inplace=False, eps=1e-6, training=True):
    """input (N, C, D, H, W) with cubes of block_size set to 0, each place with probability p."""
    return _drop(input, p, block_size, inplace, eps, training, F.max_pool3d)


class DropBlock2d(nn.Module):
    """drop_block2d while training."""

    _function = staticmethod(drop_block2d)

    def __init__(self, p, block_size, inplace=False, eps=1e-6):
        super().__init__()
        self.p, self.block_size, self.inplace, self.eps = p, block_size, inplace, eps

    def forward(self, input):
        return self._function(
            input, self.p, self.block_size, self.inplace, self.eps, self.training
        )

    def __repr__(self):
        return (
            f"{self.__class__.__name__}(p={self.p}, block_size={self.block_size}, "
            f"inplace={self.inplace})"
        )


class DropBlock3d(DropBlock2d):
    """drop_block3d while training."""

    _function = staticmethod(drop_block3d)
