"""Layers that compute with integers (source: torch.ao.nn.quantized): the dynamic ones."""

from flambeau._absent import absent
from flambeau.ao.nn.quantized import dynamic

__all__ = ["dynamic"]

__getattr__ = absent(__name__)
