"""The operators of torch.special (source: torch.special)."""

from flambeau._absent import absent as _absent
from flambeau._C._special import *  # noqa: F403

__getattr__ = _absent(__name__)
