"""What runs in a worker, a process or a thread: seeds, then one batch for each task (source:
torch.utils.data._utils.worker).

A task is a key, (epoch, number), and indices; its answer the key and a batch, for which an
ExceptionWrapper or an _IterableDatasetStopIteration may stand. A new epoch begins a new pass over
the dataset.
"""

import random
import sys
from collections import namedtuple

from flambeau import _C
from flambeau._utils import ExceptionWrapper
from flambeau.utils.data._utils.fetch import _DatasetKind
from flambeau.utils.data._utils.info import _RNG, WorkerInfo, get_worker_info, tell  # noqa: F401

_JOB = "kind dataset auto_collation collate_fn drop_last base_seed init_fn num_workers"


class _IterableDatasetStopIteration:
    """The answer of a worker whose stream of samples has ended."""


class Job(namedtuple("Job", _JOB)):
    """What all workers of an iterator are started with."""

    def fetcher(self):
        """A new pass over the dataset."""
        return _DatasetKind.create_fetcher(
            self.kind, self.dataset, self.auto_collation, self.collate_fn, self.drop_last
        )


# ---- Seeds ---------------------------------------------------------------------------------------

_MASK = 0xFFFFFFFF


def _generate_state(base_seed, worker_id):
    """NumPy's seed of a worker: four words mixed from the base seed and the worker's number, as
    numpy.random.SeedSequence mixes them (M. O'Neill, "Developing a seed_seq alternative", 2015)."""
    state = 0x43B0D7E5

    def mixed(value):
        nonlocal state
        value ^= state
        state = state * 0x931E8875 & _MASK
        value = value * state & _MASK
        return value ^ value >> 16

    words = [worker_id, base_seed & _MASK, base_seed >> 32 & _MASK, 0]
    pool = [mixed(word) for word in words]
    for source in range(4):
        for target in range(4):
            if source != target:
                value = pool[target] * 0xCA01F9DD - mixed(pool[source]) * 0x4973F715 & _MASK
                pool[target] = value ^ value >> 16
    state, seeds = 0x8B51F9DD, []
    for value in pool:
        value ^= state
        state = state * 0x58F38DED & _MASK
        value = value * state & _MASK
        seeds.append(value ^ value >> 16)
    return seeds


class _NumpySeeder:
    """Seeds numpy.random when the worker first imports it: importing it for nothing is slow."""

    def __init__(self, seed):
        self.seed = seed

    def find_spec(self, name, path=None, target=None):
        if name != "numpy.random":
            return None
        from importlib.util import find_spec

        sys.meta_path.remove(self)
        spec = find_spec(name)
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            module.seed(self.seed)

        spec.loader.exec_module = exec_module
        return spec


def _seed_process(base_seed, worker_id):
    seed = base_seed + worker_id
    random.seed(seed)
    _C.default_generator.manual_seed(seed)
    seeds = _generate_state(base_seed, worker_id)
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed(seeds)
    else:
        sys.meta_path.insert(0, _NumpySeeder(seeds))


def _thread_generators(base_seed, worker_id):
    seed = base_seed + worker_id
    drawn = _C.Generator()
    drawn.manual_seed(seed)
    numpy_random = sys.modules.get("numpy.random")
    seeds = _generate_state(base_seed, worker_id)
    numpy_generator = None if numpy_random is None else numpy_random.default_rng(seeds)
    return _RNG(random.Random(seed), drawn, numpy_generator)


# ---- The loop ------------------------------------------------------------------------------------


def serve(job, worker_id, method, receive, send):
    """Answers tasks until receive() gives None."""
    where = f"in DataLoader worker {'thread' if method == 'thread' else 'process'} {worker_id}"
    told = worker_id, job.num_workers, job.base_seed + worker_id, job.dataset
    if method == "thread":
        tell(WorkerInfo(*told, _thread_generators(job.base_seed, worker_id), method))
    else:
        _seed_process(job.base_seed, worker_id)
        tell(WorkerInfo(*told))
    failure = None
    try:
        if job.init_fn is not None:
            job.init_fn(worker_id)
    except Exception:
        failure = ExceptionWrapper(where=where)
    epoch, fetcher, ended = None, None, False
    while (task := receive()) is not None:
        key, indices = task
        if key[0] != epoch:
            epoch, ended = key[0], False
            try:
                fetcher = fetcher if failure else job.fetcher()
            except Exception:
                failure = ExceptionWrapper(where=where)
        if ended:
            continue
        try:
            if failure is not None:
                data, failure = failure, None
            else:
                data = fetcher.fetch(indices)
        except Exception as error:
            if isinstance(error, StopIteration) and job.kind == _DatasetKind.Iterable:
                data, ended = _IterableDatasetStopIteration(), True
            else:
                data = ExceptionWrapper(where=where)
        try:
            send(key, data)
        except (OSError, EOFError):
            return  # the loader has gone
        except Exception:
            send(key, ExceptionWrapper(where=where))
        del data, indices, task  # before the wait for the next task
