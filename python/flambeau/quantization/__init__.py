"""The older name of torch.ao.quantization (source: torch.quantization)."""

from flambeau.ao import quantization as _own
from flambeau.ao.quantization import *  # noqa: F403
from flambeau.ao.quantization import __all__ as __all__

__getattr__ = _own.__getattr__
