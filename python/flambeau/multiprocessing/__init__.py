"""Python's multiprocessing, with tensors that travel through shared memory (source:
torch.multiprocessing).

Whatever multiprocessing has is here under its name. Importing this module teaches its queues,
pipes, pools and processes' arguments to share a tensor's memory with the receiver instead of
copying it.
"""

import multiprocessing
from multiprocessing import *  # noqa: F403

from flambeau.multiprocessing.reductions import init_reductions
from flambeau.multiprocessing.spawn import (  # noqa: F401
    ProcessContext,
    ProcessException,
    ProcessExitedException,
    ProcessRaisedException,
    SpawnContext,
    spawn,
    start_processes,
)

__all__ = [
    *multiprocessing.__all__,
    "get_all_sharing_strategies",
    "get_sharing_strategy",
    "set_sharing_strategy",
]

_all_sharing_strategies = {"file_descriptor", "file_system"}
_sharing_strategy = "file_descriptor"


def set_sharing_strategy(new_strategy):
    """Accepted: memory is shared through descriptors of nameless files under either strategy, so
    that nothing is ever left on a file system (source: torch.multiprocessing.set_sharing_strategy).
    """
    global _sharing_strategy
    if new_strategy not in _all_sharing_strategies:
        raise AssertionError(
            f"invalid sharing strategy {new_strategy!r}, expected one of {_all_sharing_strategies}"
        )
    _sharing_strategy = new_strategy


def get_sharing_strategy():
    """What set_sharing_strategy was last given (source:
    torch.multiprocessing.get_sharing_strategy)."""
    return _sharing_strategy


def get_all_sharing_strategies():
    """The names of the strategies (source: torch.multiprocessing.get_all_sharing_strategies)."""
    return _all_sharing_strategies


init_reductions()
