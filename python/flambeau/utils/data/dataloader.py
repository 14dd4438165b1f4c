"""The loader: a dataset in batches (source: torch.utils.data.DataLoader).

Random draws come in PyTorch's order: one seed when an iteration starts (which workers would use),
then the sampler's, when the first batch is asked for. The fast way: where the samplers and the
collation are the default ones and the dataset can gather (see dataset.py), the order stays a tensor
and each batch is one index_select a tensor.

Samples are loaded in this process whatever num_workers says; worker_init_fn is not called.
"""

import warnings
from math import ceil

from flambeau import _C
from flambeau.utils.data.collate import default_collate, default_convert
from flambeau.utils.data.dataset import Dataset, IterableDataset, TensorDataset  # noqa: F401
from flambeau.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    _draw_seed,
)


def get_worker_info():
    """What a worker process is; None in the main process (source:
    torch.utils.data.get_worker_info)."""
    return None


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
    that is not full; generator: what draws the order. num_workers, prefetch_factor,
    persistent_workers, timeout, worker_init_fn, multiprocessing_context, in_order and pin_memory
    are checked as in PyTorch; loading happens in this process.
    """

    __initialized = False

    def __init__(
        self,
        dataset,
        batch_size=1,
        shuffle=None,
        sampler=None,
        batch_sampler=None,
        num_workers=0,
        collate_fn=None,
        pin_memory=False,
        drop_last=False,
        timeout=0,
        worker_init_fn=None,
        multiprocessing_context=None,
        generator=None,
        *,
        prefetch_factor=None,
        persistent_workers=False,
        pin_memory_device="",
        in_order=True,
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

        self.dataset = dataset
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
        self._IterableDataset_len_called = None

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
        if self.pin_memory:
            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, then "
                "device pinned memory won't be used.",
                stacklevel=2,
            )
        order = iter(self._index_sampler)
        _draw_seed(self.generator)
        if self.timeout != 0 and self.num_workers == 0:
            raise AssertionError("_SingleProcessDataLoaderIter requires timeout == 0")
        if self._iterable:
            return _LoaderIterator(self, _stream(self, order))
        gather = self._gatherer()
        if gather is not None:
            return _LoaderIterator(self, _gathered(self, gather))
        return _LoaderIterator(self, _mapped(self, order))

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


class _LoaderIterator:
    """What iter(loader) gives: an iterator with a length."""

    def __init__(self, loader, batches):
        self._loader = loader
        self._batches = batches
        self._next = batches.__next__
        self._num_yielded = 0

    def __iter__(self):
        return self

    def __next__(self):
        data = self._next()
        self._num_yielded += 1
        if self._loader._iterable:
            self._check_length()
        return data

    def __len__(self):
        return len(self._loader._index_sampler)

    def _check_length(self):
        told = self._loader._IterableDataset_len_called
        if told is not None and self._num_yielded > told:
            warnings.warn(
                f"Length of IterableDataset {self._loader.dataset} was reported to be "
                f"{told}(when accessing len(dataloader)), but {self._num_yielded} "
                "samples have been fetched. ",
                stacklevel=3,
            )

    def __getstate__(self):
        raise NotImplementedError("{} cannot be pickled", type(self).__name__)


def _mapped(loader, order):
    """Batches, or samples, of a dataset that is asked by index."""
    dataset, collate = loader.dataset, loader.collate_fn
    if loader.batch_sampler is None:
        for index in order:
            yield collate(dataset[index])
        return
    many = getattr(dataset, "__getitems__", None)
    for indices in order:
        yield collate(many(indices) if many else [dataset[i] for i in indices])


def _stream(loader, order):
    """Batches, or samples, of an iterable dataset."""
    samples, collate = iter(loader.dataset), loader.collate_fn
    if loader.batch_sampler is None:
        for sample in samples:
            yield collate(sample)
        return
    for places in order:
        batch = [sample for _, sample in zip(places, samples)]
        if not batch or (loader.drop_last and len(batch) < len(places)):
            return
        yield collate(batch)


def _gathered(loader, gather):
    """Batches of a dataset that gathers: the order is cut into tensors of indices."""
    size, drop_last = loader.batch_size, loader.drop_last
    for index in _index_batches(loader.sampler, size):
        if drop_last and index.size(0) < size:
            return
        batch = gather(index)
        if batch is None:
            dataset = loader.dataset
            indices = index.tolist()
            many = getattr(dataset, "__getitems__", None)
            batch = loader.collate_fn(many(indices) if many else [dataset[i] for i in indices])
        yield batch


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
