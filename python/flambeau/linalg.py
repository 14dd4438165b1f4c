"""The operators of torch.linalg (source: torch.linalg)."""

from flambeau import _C

_operators = _C._linalg
LinAlgError = _C._LinAlgError


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(f"module 'flambeau.linalg' has no attribute '{name}'")
    try:
        return getattr(_operators, name)
    except AttributeError:
        raise AttributeError(f"Flambeau has no torch.linalg.{name} yet") from None


def __dir__():
    return [*dir(_operators), "LinAlgError"]
