"""Programs for many processes, run in one (source: torch.distributed): a group of world size 1, whose
collectives are what they are among one process."""

from flambeau.distributed import distributed_c10d  # noqa: F401
from flambeau.distributed.distributed_c10d import *  # noqa: F403
from flambeau.distributed.distributed_c10d import (  # noqa: F401
    _all_gather_base,
    _get_default_group,
    _reduce_scatter_base,
)
from flambeau.distributed.stores import (  # noqa: F401
    FileStore,
    HashStore,
    PrefixStore,
    Store,
    TCPStore,
)


def is_available():
    """True: there is always one process (source: torch.distributed.is_available)."""
    return True


_MODULES = (
    "_tensor", "algorithms", "autograd", "checkpoint", "constants", "device_mesh", "fsdp", "nn",
    "optim", "rpc", "tensor",
)


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(f"module 'flambeau.distributed' has no attribute '{name}'")
    if name in _MODULES:
        return __import__("flambeau.distributed." + name, fromlist=["__name__"])
    raise AttributeError(
        f"Flambeau has no torch.distributed.{name} yet: it runs one process (world size 1)"
    )
