"""How a worker's end is told (source: torch.distributed.elastic.multiprocessing.errors)."""

from flambeau._absent import absent

__all__ = ["record"]


def record(fn, error_handler=None):
    """The function as it is: one process's exception needs no file to be told by."""
    return fn


__getattr__ = absent(__name__)
