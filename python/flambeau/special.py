"""The operators of torch.special (source: torch.special)."""

from flambeau import _C

_operators = _C._special


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(f"module 'flambeau.special' has no attribute '{name}'")
    try:
        return getattr(_operators, name)
    except AttributeError:
        raise AttributeError(f"Flambeau has no torch.special.{name} yet") from None


def __dir__():
    return dir(_operators)
