"""The operators of torch.fft (source: torch.fft)."""

from flambeau._absent import absent as _absent
from flambeau._C._fft import *  # noqa: F403

__getattr__ = _absent(__name__)
