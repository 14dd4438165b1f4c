"""What programs say to PyTorch's tracer of modules beforehand (source: torch.fx). Nothing is traced
here: what is to be left whole in a trace runs as it is, and no value is ever a Proxy."""


def wrap(fn_or_name):
    """Returns what it is given: a function, or the name of one of the module that calls (source:
    torch.fx.wrap). RuntimeError for anything else."""
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError(
            "Unsupported type for global function! Must be either a callable or string name"
        )
    return fn_or_name


class Proxy:
    """What stands for a value in a trace, so that isinstance can ask (source: torch.fx.Proxy)."""

    def __init__(self, *arguments, **options):
        raise NotImplementedError("Flambeau traces no modules, so there are no proxies")


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(f"module 'flambeau.fx' has no attribute '{name}'")
    raise AttributeError(f"Flambeau has no torch.fx.{name} yet")
