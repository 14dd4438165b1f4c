"""Helpers around training (source: torch.utils)."""

_MODULES = (
    "_pytree checkpoint collect_env cpp_extension data dlpack hooks model_zoo tensorboard".split()
)


def __getattr__(name):
    if name in _MODULES:
        module = __import__("flambeau.utils." + name)
        return getattr(module.utils, name)
    raise AttributeError(
        f"Flambeau has no torch.utils.{name} yet"
        if not name.startswith("__")
        else f"module 'flambeau.utils' has no attribute '{name}'"
    )
