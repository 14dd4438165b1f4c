"""Reductions and normalisations of the elements that a mask holds for true (source: torch.masked)."""

from flambeau._absent import absent as _absent
from flambeau._C._masked import *  # noqa: F403

__getattr__ = _absent(__name__)
