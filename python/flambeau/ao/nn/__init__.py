"""Layers of quantized models (source: torch.ao.nn)."""

from flambeau._absent import absent
from flambeau.ao.nn import quantized

__all__ = ["quantized"]

__getattr__ = absent(__name__)
