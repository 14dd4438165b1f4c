"""The loader: a dataset in batches (source: torch.utils.data.DataLoader).

Random draws come in PyTorch's order: one seed when an iteration starts (which workers would use),
then the sampler's, when the first batch is asked for. The fast way: where the samplers and the
collation are the default ones and the dataset can gather (see dataset.py), the order stays a tensor
and each batch is one index_select a tensor.

Workers are in _workers.py, which is imported when a loader has some.
"""

import os
import warnings
from itertools import chain, islice
from math import ceil
from types import GenericAlias

from flambeau import _C
from flambeau.utils.data import _utils  # noqa: F401  programs look for it here
from flambeau.utils.data._utils.collate import default_collate, default_convert
from flambeau.utils.data._utils.fetch import _DatasetKind
from flambeau.utils.data._utils.info import get_worker_info  # noqa: F401
from flambeau.utils.data.dataset import Dataset, IterableDataset, TensorDataset  # noqa: F401
from flambeau.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    _draw_seed,
)


class _InfiniteConstantSampler(Sampler):
    """Stands for the indices of an iterable dataset, which has none."""

    def __iter__(self):
        while True:
            yield None


# Attributes that must not change once a loader is made.
_FIXED = frozenset(
    ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
)


class DataLoader:
    """Iterates over a dataset in batches (source: torch.utils.data.DataLoader).

    batch_size: samples a batch, None to give samples as they are; shuffle: a new random order each
    time; sampler, batch_sampler: the order, or the lists of indices, instead of shuffle and
    batch_size; collate_fn: makes a batch of a list of samples; drop_last: leaves out a last batch
    that is not full; generator: what draws the order and the workers' seeds.

    num_workers: processes that load, 0 for this one; worker_init_fn(i) is called in each;
    prefetch_factor: batches each is ahead; multiprocessing_context: how they start; timeout:
    seconds a batch may take; in_order=False: gives batches as they come; persistent_workers: they
    live from one iteration to the next. worker_method="thread" makes them threads of this process.
    A worker that raises, dies or hangs past the timeout makes the iterator raise once; asked again,
    it goes on with the next batch, with another worker in the place of a lost one.
    """

    __class_getitem__ = classmethod(GenericAlias)
    __initialized = False

    def __init__(
        self,
        dataset,
        batch_size: int | None = 1,
        shuffle=None,
        sampler=None,
        batch_sampler=None,
        num_workers=0,
        collate_fn=None,
        pin_memory=False,
        drop_last=False,
        timeout: float = 0,
        worker_init_fn=None,
        multiprocessing_context=None,
        generator=None,
        *,
        prefetch_factor=None,
        persistent_workers=False,
        pin_memory_device="",
        in_order=True,
        worker_method="multiprocessing",
    ):
        if num_workers < 0:
            raise ValueError(
                "num_workers option should be non-negative; "
                "use num_workers=0 to disable multiprocessing."
            )
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError(
                "prefetch_factor option could only be specified in multiprocessing."
                "let num_workers > 0 to enable multiprocessing, otherwise set "
                "prefetch_factor to None."
            )
        if num_workers > 0 and prefetch_factor is None:
            prefetch_factor = 2
        elif prefetch_factor is not None and prefetch_factor < 0:
            raise ValueError("prefetch_factor option should be non-negative")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")

        if worker_method not in ("multiprocessing", "thread"):
            raise ValueError(
                f"worker_method should be 'multiprocessing' or 'thread', got {worker_method!r}"
            )

        self.dataset = dataset
        self.worker_method = worker_method
        self.num_workers = num_workers
        self.prefetch_factor = prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        self.persistent_workers = persistent_workers
        self.generator = generator
        self._iterable = isinstance(dataset, IterableDataset)
        self._dataset_kind = _DatasetKind.Iterable if self._iterable else _DatasetKind.Map
        self._IterableDataset_len_called = None
        self._iterator = None  # the persistent one
        self._progress = self._resumed = None

        if self._iterable:
            for name, value, unset in (
                ("shuffle", shuffle, shuffle in (False, None)),
                ("sampler", sampler, sampler is None),
                ("batch_sampler", batch_sampler, batch_sampler is None),
            ):
                if not unset:
                    raise ValueError(
                        "DataLoader with IterableDataset: expected unspecified "
                        f"{name} option, but got {name}={value}"
                    )
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, "
                    "shuffle, sampler, and drop_last"
                )
            batch_size = None
            drop_last = False
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually "
                "exclusive with drop_last"
            )

        if sampler is None:
            if self._iterable:
                sampler = _InfiniteConstantSampler()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        if collate_fn is None:
            collate_fn = default_collate if batch_sampler is not None else default_convert
        self.collate_fn = collate_fn
        self.__initialized = True
        self.check_worker_number_rationality()

    def __setattr__(self, name, value):
        if self.__initialized and name in _FIXED:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized"
            )
        object.__setattr__(self, name, value)

    @property
    def multiprocessing_context(self):
        return self.__context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context):
        if context is not None:
            if self.num_workers == 0:
                raise ValueError(
                    "multiprocessing_context can only be used with multi-process "
                    "loading (num_workers > 0), but got "
                    f"num_workers={self.num_workers}"
                )
            import multiprocessing

            if isinstance(context, str):
                methods = multiprocessing.get_all_start_methods()
                if context not in methods:
                    raise ValueError(
                        "multiprocessing_context option should specify a valid start "
                        f"method in {methods!r}, but got "
                        f"multiprocessing_context={context!r}"
                    )
                context = multiprocessing.get_context(context)
            if not isinstance(context, multiprocessing.context.BaseContext):
                raise TypeError(
                    "multiprocessing_context option should be a valid context object "
                    "or a string specifying the start method, but got "
                    f"multiprocessing_context={context}"
                )
        self.__context = context

    @property
    def _auto_collation(self):
        return self.batch_sampler is not None

    @property
    def _index_sampler(self):
        return self.batch_sampler if self.batch_sampler is not None else self.sampler

    def __iter__(self):
        resumed, self._resumed = self._resumed, None
        generator = _C.default_generator if self.generator is None else self.generator
        if resumed is None:
            # What is no generator is refused where it is first drawn from.
            state = generator.get_state() if isinstance(generator, _C.Generator) else None
            self._progress = _Progress(state)
            return self._start()
        now = generator.get_state()
        self._progress = _Progress(resumed["generator"])
        generator.set_state(resumed["generator"])
        iterator = self._start(resumed["num_yielded"])
        if self.generator is None:
            generator.set_state(now)
        return iterator

    def _start(self, skip=None):
        """A new iterator, or the persistent one from the start; past `skip` batches."""
        if self._iterator is not None:
            self._iterator._reset(self, skip=skip)
            return self._iterator
        if self.num_workers == 0:
            iterator = _SingleProcessDataLoaderIter(self)
            if skip is not None:
                iterator._skip(skip)
            return iterator
        self.check_worker_number_rationality()
        from flambeau.utils.data._workers import _MultiProcessingDataLoaderIter

        iterator = _MultiProcessingDataLoaderIter(self, skip)
        if self.persistent_workers:
            self._iterator = iterator
        return iterator

    def state_dict(self):
        """Where the last iteration stands: load_state_dict of a loader made alike, in this process
        or another, makes its next iteration give the batches that are still to come.

        The order is drawn again from the generator's state at the start; what workers draw for
        augmentation is not. An iterable dataset is read again up to the place.
        """
        progress = self._progress
        if progress is None or progress.ended:
            return {"num_yielded": 0, "generator": None}
        return {"num_yielded": progress.yielded, "generator": progress.generator}

    def load_state_dict(self, state_dict):
        """Takes up a state_dict() at the next iteration."""
        self._resumed = None if state_dict["generator"] is None else dict(state_dict)

    def _fetcher(self):
        return _DatasetKind.create_fetcher(
            self._dataset_kind, self.dataset, self._auto_collation, self.collate_fn, self.drop_last
        )

    def _gatherer(self):
        """The dataset's __gather__ where the fast way gives what the slow one would, else None."""
        batches, order = self.batch_sampler, self.sampler
        if (
            self.collate_fn is not default_collate
            or type(batches) is not BatchSampler
            or batches.sampler is not order
            or type(order) not in (RandomSampler, SequentialSampler)
            or order.data_source is not self.dataset
        ):
            return None
        return getattr(self.dataset, "__gather__", None)

    def __len__(self):
        if not self._iterable:
            return len(self._index_sampler)
        length = self._IterableDataset_len_called = len(self.dataset)
        if self.batch_size is not None:
            length = length // self.batch_size if self.drop_last else ceil(length / self.batch_size)
        return length

    def check_worker_number_rationality(self):
        """Warns where there are more workers than processors."""
        if not self.num_workers or self.worker_method == "thread":
            return
        suggested = len(os.sched_getaffinity(0))
        if self.num_workers > suggested:
            warnings.warn(
                f"This DataLoader will create {self.num_workers} worker processes in total. Our "
                f"suggested max number of worker in current system is {suggested}, which is "
                "smaller than what this DataLoader is going to create. Please be aware that "
                "excessive worker creation might get DataLoader running slow or even freeze, "
                "lower the worker number to avoid potential slowness/freeze if necessary.",
                stacklevel=3,
            )


class _Progress:
    """How far an iteration has come, and the generator's state when it began."""

    __slots__ = ("generator", "yielded", "ended")

    def __init__(self, generator):
        self.generator, self.yielded, self.ended = generator, 0, False


class _BaseDataLoaderIter:
    """What iter(loader) gives: an iterator with a length."""

    def __init__(self, loader):
        self._loader = loader
        self._dataset = loader.dataset
        self._num_workers = loader.num_workers
        self._index_sampler = loader._index_sampler
        if loader.pin_memory:
            _warn_of_pinning(loader)
        self._sampler_iter = iter(self._index_sampler)
        self._base_seed = _draw_seed(loader.generator)
        self._begin()

    def _begin(self):
        self._progress = self._loader._progress
        told = self._loader._IterableDataset_len_called if self._loader._iterable else None
        self._length_told = told

    def __iter__(self):
        return self

    @property
    def _num_yielded(self):
        return self._progress.yielded

    def __next__(self):
        try:
            data = self._next_data()
        except StopIteration:
            self._progress.ended = True
            raise
        self._progress.yielded += 1
        if self._length_told is not None and self._num_yielded > self._length_told:
            self._warn_of_length()
        return data

    def _next_data(self):
        raise NotImplementedError

    def _skip(self, count):
        """Goes on as if `count` batches had been taken, and fixes the order that follows."""
        if self._loader._iterable:
            for _ in range(count):
                self._next_data()
        else:
            self._sampler_iter = _skipped(self._sampler_iter, count)
        self._progress.yielded = count

    def __len__(self):
        return len(self._index_sampler)

    def _warn_of_length(self):
        text = (
            f"Length of IterableDataset {self._dataset} was reported to be {self._length_told}"
            f"(when accessing len(dataloader)), but {self._num_yielded} samples have been fetched. "
        )
        if self._num_workers > 0:
            text += (
                "For multiprocessing data-loading, this could be caused by not properly "
                "configuring the IterableDataset replica at each worker. Please see "
                "https://pytorch.org/docs/stable/data.html#torch.utils.data.IterableDataset for "
                "examples."
            )
        warnings.warn(text, stacklevel=3)

    def __getstate__(self):
        raise NotImplementedError("{} cannot be pickled", type(self).__name__)


def _warn_of_pinning(loader):
    if loader.pin_memory_device:
        warnings.warn(
            "pin_memory_device is deprecated, the current accelerator will be used as the device,"
            f"ignore pin_memory_device='{loader.pin_memory_device}'.",
            stacklevel=5,
        )
    warnings.warn(
        "'pin_memory' argument is set as true but no accelerator is found, then "
        "device pinned memory won't be used.",
        stacklevel=5,
    )


def _skipped(iterator, count):
    """The rest of an iterator after `count` items. Its next item is asked for at once: whoever
    draws the order at the first item must draw now."""
    rest = list(islice(iterator, count, count + 1))
    return chain(rest, iterator)


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    """Loads in the process that iterates."""

    def __init__(self, loader):
        super().__init__(loader)
        if loader.timeout != 0:
            raise AssertionError("_SingleProcessDataLoaderIter requires timeout == 0")
        gather = loader._gatherer()
        if gather is not None:
            self._sampler_iter = _index_batches(loader.sampler, loader.batch_size)
            self._next_data = self._gathered(gather).__next__
            return
        self._dataset_fetcher = loader._fetcher()

    def _next_data(self):
        return self._dataset_fetcher.fetch(next(self._sampler_iter))

    def _gathered(self, gather):
        """The batches of a dataset that gathers: the order comes as tensors of indices."""
        loader = self._loader
        least = loader.batch_size if loader.drop_last else 0
        for index in self._sampler_iter:
            if least and index.size(0) < least:
                return
            batch = gather(index)
            yield loader._fetcher().fetch(index.tolist()) if batch is None else batch


def _index_batches(sampler, size):
    """The order of a default sampler as tensors of `size` indices, the last perhaps shorter."""
    if type(sampler) is SequentialSampler:
        n = len(sampler.data_source)
        blocks = iter((_C.arange(n),))
    else:
        blocks = sampler._blocks()
    rest = None
    for block in blocks:
        if rest is not None:
            block = _C.cat((rest, block))
        n = block.size(0)
        whole = n - n % size
        for start in range(0, whole, size):
            yield block[start : start + size]
        rest = block[whole:] if whole < n else None
    if rest is not None:
        yield rest


def __getattr__(name):
    if name == "_MultiProcessingDataLoaderIter":
        from flambeau.utils.data._workers import _MultiProcessingDataLoaderIter

        return _MultiProcessingDataLoaderIter
    raise AttributeError(f"module 'torch.utils.data.dataloader' has no attribute '{name}'")
