"""The operators of torch.linalg (source: torch.linalg)."""

from flambeau._absent import absent as _absent
from flambeau._C import _LinAlgError as LinAlgError  # noqa: F401
from flambeau._C._linalg import *  # noqa: F403

__getattr__ = _absent(__name__)
