"""torch.ao: of it there is dynamic quantization."""

from flambeau._absent import absent
from flambeau.ao import nn, quantization

__all__ = ["nn", "quantization"]

__getattr__ = absent(__name__)
