"""The types of results that have names (source: torch.return_types): return_types.max is that of
torch.max(x, 0)."""

from flambeau import _C


def __getattr__(name):
    kind = None if name.startswith("__") else _C._result_type_named(name)
    if kind is None:
        raise AttributeError(f"Flambeau has no torch.return_types.{name}")
    globals()[name] = kind
    return kind
