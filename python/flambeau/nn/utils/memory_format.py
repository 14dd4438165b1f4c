"""Weights of convolutions in another memory format (source: torch.nn.utils.memory_format)."""
from __future__ import annotations

from flambeau.nn.modules.conv import Conv2d, Conv3d, ConvTranspose2d, ConvTranspose3d

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]


def _convert(module, kinds, memory_format):
    if isinstance(module, kinds):
        weight = module.weight.detach().clone(memory_format=memory_format)
        module.weight.data = weight
    for child in module.children():
        _convert(child, kinds, memory_format)
    return module


def convert_conv2d_weight_memory_format(module, memory_format):
    """Puts the weights of all 2-d convolutions of a module into a memory format. Returns it."""
    return _convert(module, (Conv2d, ConvTranspose2d), memory_format)


def convert_conv3d_weight_memory_format(module, memory_format):
    """Puts the weights of all 3-d convolutions of a module into a memory format. Returns it."""
    return _convert(module, (Conv3d, ConvTranspose3d), memory_format)
