"""The iterator of a loader with workers (source: torch.utils.data._MultiProcessingDataLoaderIter).

Batches are numbered as their indices are drawn. Task n is sent to the next worker in turn, as many
tasks ahead as prefetch_factor says, and each batch that is given out sends one more. What comes
early waits in its task; with in_order=False it does not wait.

A worker that died or hung is replaced, with the tasks that it had not begun; the batch it was at is
the one that is reported as lost. The worker of an iterable dataset cannot be replaced in the middle
of its stream: the others go on.
"""

import sys
import time
from collections import deque
from itertools import cycle

from flambeau._utils import ExceptionWrapper
from flambeau.utils.data._utils.crew import LOST, ProcessCrew, ThreadCrew
from flambeau.utils.data._utils.worker import Job, _IterableDatasetStopIteration
from flambeau.utils.data.dataloader import _BaseDataLoaderIter

_PENDING = object()


class _Death:
    """What stands for a batch whose worker died."""

    def __init__(self, pid, why):
        self.pid, self.why = pid, why

    def reraise(self):
        raise RuntimeError(
            f"DataLoader worker (pid(s) {self.pid}) exited unexpectedly"
        ) from RuntimeError(self.why)


class _Task:
    __slots__ = ("worker", "indices", "data")

    def __init__(self, worker, indices):
        self.worker, self.indices, self.data = worker, indices, _PENDING


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Loads in workers. skip: batches to leave out at the start, None for a fresh order."""

    _crew = None

    def __init__(self, loader, skip=None):
        super().__init__(loader)
        self._timeout = loader.timeout
        self._in_order = loader.in_order
        self._persistent_workers = loader.persistent_workers
        if loader.prefetch_factor <= 0:
            raise AssertionError(
                "prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter"
            )
        self._most = loader.prefetch_factor * loader.num_workers
        workers = range(loader.num_workers)
        job = Job(
            loader._dataset_kind,
            loader.dataset,
            loader._auto_collation,
            loader.collate_fn,
            loader.drop_last,
            self._base_seed,
            loader.worker_init_fn,
            loader.num_workers,
        )
        self._crew = _make_crew(loader, job)
        for i in workers:
            self._crew.start(i)
        self._epoch = 0
        self._reset(loader, first_iter=True, skip=skip)

    def _reset(self, loader, first_iter=False, skip=None):
        """Begins an iteration. What workers still send of an earlier one is dropped as it comes."""
        self._sampler_iter = iter(self._index_sampler)
        self._begin()
        self._epoch += 1
        self._tasks = {}
        self._arrived = deque()
        self._sent = 0  # the number of the next task
        self._next = 0  # the number of the next batch
        self._outstanding = 0
        self._active = [True] * self._num_workers
        self._load = [0] * self._num_workers
        self._turn = cycle(range(self._num_workers))
        if skip is not None and not loader._iterable:
            self._skip(skip)
        for _ in range(self._most):
            self._send_task()
        if skip is not None and loader._iterable:
            self._skip(skip)

    def _send_task(self):
        try:
            indices = next(self._sampler_iter)
        except StopIteration:
            return
        for _ in range(self._num_workers):
            i = next(self._turn)
            if self._active[i] and (
                self._in_order or self._load[i] < self._most // sum(self._active)
            ):
                break
        else:
            return
        self._tasks[self._sent] = _Task(i, indices)
        self._crew.send(i, (self._epoch, self._sent), indices)
        self._load[i] += 1
        self._outstanding += 1
        self._sent += 1

    def _next_data(self):
        while True:
            while self._next < self._sent:
                task = self._tasks.get(self._next)
                if task is not None:
                    if task.data is not _PENDING or self._active[task.worker]:
                        break
                    del self._tasks[self._next]
                self._next += 1
            else:
                if not self._persistent_workers:
                    self._shutdown_workers()
                raise StopIteration
            if task.data is not _PENDING:
                return self._give(self._next)
            number, data = self._receive()
            task = self._tasks.get(number)
            if task is None:
                continue
            self._outstanding -= 1
            if type(data) is _IterableDatasetStopIteration:
                self._active[task.worker] = False
                self._send_task()
                continue
            task.data = data
            if number == self._next or not self._in_order:
                return self._give(number)

    def _give(self, number):
        task = self._tasks.pop(number)
        if number == self._next:
            self._next += 1
        self._load[task.worker] -= 1
        self._send_task()
        if isinstance(task.data, (ExceptionWrapper, _Death)):
            task.data.reraise()
        return task.data

    def _receive(self):
        """(number, batch) of what comes next in this epoch."""
        end = time.monotonic() + self._timeout if self._timeout > 0 else None
        while True:
            while self._arrived:
                i, key, content = self._arrived.popleft()
                if key is LOST:
                    return self._bury(i, _Death(*content))
                if key[0] == self._epoch:
                    return key[1], content
            left = None if end is None else max(0, end - time.monotonic())
            self._arrived += self._crew.wait(left)
            if not self._arrived and end is not None and time.monotonic() >= end:
                self._report_hung()

    def _bury(self, i, death):
        """A worker has died: the first of its batches that has not come is the one it was at."""
        lost = self._replace(i)
        if lost is None:
            death.reraise()
        return lost, death

    def _report_hung(self):
        error = RuntimeError(f"DataLoader timed out after {self._timeout} seconds")
        if not self._loader._iterable:
            number = min(n for n, task in self._tasks.items() if task.data is _PENDING)
            i = self._tasks[number].worker
            trace = self._crew.traceback(i)
            self._crew.end(i)
            self._tasks.pop(self._replace(i))
            self._load[i] -= 1
            self._outstanding -= 1
            self._send_task()
            if trace:
                raise error from RuntimeError(f"DataLoader worker {i} was at:{trace}")
        raise error

    def _replace(self, i):
        """Puts a worker in the place of one that is lost, for the tasks after the one this was at;
        the number of that one, if any."""
        left = [n for n, task in self._tasks.items() if task.worker == i and task.data is _PENDING]
        if self._loader._iterable:
            self._active[i] = False
        else:
            self._crew.start(i)
            for number in left[1:]:
                self._crew.send(i, (self._epoch, number), self._tasks[number].indices)
        return left[0] if left else None

    def _shutdown_workers(self):
        crew, self._crew = self._crew, None
        if crew is not None:
            crew.stop()

    def __del__(self):
        if not sys.is_finalizing():
            self._shutdown_workers()


def _make_crew(loader, job):
    if loader.worker_method == "thread":
        return ThreadCrew(job)
    context = loader.multiprocessing_context
    if context is None:
        from flambeau import multiprocessing

        context = multiprocessing.get_context()
    return ProcessCrew(context, job, dumps=loader.timeout > 0)
