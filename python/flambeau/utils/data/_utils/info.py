"""What code in a worker can ask about the worker."""

from _thread import _local
from collections import namedtuple

_RNG = namedtuple("_RNG", "random_generator torch_generator numpy_generator")
_RNG.__doc__ = "The generators of a worker thread, which must not seed the process's own."

WorkerInfo = namedtuple(
    "WorkerInfo",
    "id num_workers seed dataset rng worker_method",
    defaults=(None, "multiprocessing"),
)
WorkerInfo.__doc__ = """What get_worker_info gives in a worker: its number of so many, its seed and
its copy of the dataset; in a worker thread also the thread's generators, and "thread".
"""

filler = None  # in a worker process: who has shared memory for batches
_worker_info = None  # of a worker process
_thread = _local()


def get_worker_info():
    """The WorkerInfo of the worker that calls; None elsewhere (source:
    torch.utils.data.get_worker_info)."""
    return getattr(_thread, "info", _worker_info)


def tell(info):
    """Sets the info of this process, or of this thread."""
    global _worker_info
    if info.worker_method == "thread":
        _thread.info = info
    else:
        _worker_info = info
