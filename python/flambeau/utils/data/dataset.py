"""Datasets: what gives the sample of an index, or samples one after another (source:
torch.utils.data.dataset).

A dataset whose samples lie in tensors may define `__gather__(index)`: given a 1-d int64 tensor of
valid indices, the batch that default_collate would make of these samples, or None when it cannot.
The loader then fetches a batch with one call a tensor instead of one a sample.
"""

import warnings
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from math import floor, isclose
from types import GenericAlias

from flambeau import _C


class Dataset:
    """Maps an index to a sample: subclasses define __getitem__ and mostly __len__, and may define
    __getitems__(indices) for a list of samples at once (source: torch.utils.data.Dataset)."""

    __class_getitem__ = classmethod(GenericAlias)

    def __getitem__(self, index):
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other):
        return ConcatDataset([self, other])


class IterableDataset(Dataset, Iterable):
    """Gives samples one after another: subclasses define __iter__ (source:
    torch.utils.data.IterableDataset)."""

    def __add__(self, other):
        return ChainDataset([self, other])


class TensorDataset(Dataset):
    """Sample i is the tuple of tensor[i] of each tensor; all have the same first size (source:
    torch.utils.data.TensorDataset)."""

    def __init__(self, *tensors):
        if any(tensors[0].size(0) != tensor.size(0) for tensor in tensors):
            raise AssertionError("Size mismatch between tensors")
        self.tensors = tensors

    def __getitem__(self, index):
        return tuple([tensor[index] for tensor in self.tensors])

    def __len__(self):
        return self.tensors[0].size(0)

    def __gather__(self, index):
        if type(self).__getitem__ is not TensorDataset.__getitem__ or hasattr(self, "__getitems__"):
            return None
        return [
            tensor.index_select(0, index if tensor.is_cpu else index.to(tensor.device))
            for tensor in self.tensors
        ]


class StackDataset(Dataset):
    """Several datasets of one length side by side: a sample is the tuple, or the dict, of theirs
    (source: torch.utils.data.StackDataset)."""

    def __init__(self, *args, **kwargs):
        if args and kwargs:
            raise ValueError(
                "Supported either ``tuple``- (via ``args``) or``dict``- (via "
                "``kwargs``) like input/output, but both types are given."
            )
        if not args and not kwargs:
            raise ValueError("At least one dataset should be passed")
        datasets = list(args or kwargs.values())
        self._length = len(datasets[0])
        if any(len(dataset) != self._length for dataset in datasets):
            raise ValueError("Size mismatch between datasets")
        self.datasets = args or kwargs

    def __getitem__(self, index):
        if isinstance(self.datasets, dict):
            return {key: dataset[index] for key, dataset in self.datasets.items()}
        return tuple([dataset[index] for dataset in self.datasets])

    def __getitems__(self, indices):
        named = isinstance(self.datasets, dict)
        columns = []
        for dataset in self.datasets.values() if named else self.datasets:
            column = _samples(dataset, indices)
            if len(column) != len(indices):
                raise ValueError(
                    "Nested dataset's output size mismatch. "
                    f"Expected {len(indices)}, got {len(column)}"
                )
            columns.append(column)
        if named:
            return [dict(zip(self.datasets, row)) for row in zip(*columns)]
        return list(zip(*columns))

    def __len__(self):
        return self._length


def _samples(dataset, indices):
    """The samples of these indices, through __getitems__ where there is one."""
    many = getattr(dataset, "__getitems__", None)
    if callable(many):
        return many(indices)
    return [dataset[i] for i in indices]


class ConcatDataset(Dataset):
    """Datasets one after another (source: torch.utils.data.ConcatDataset)."""

    def __init__(self, datasets):
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        for dataset in self.datasets:
            if isinstance(dataset, IterableDataset):
                raise AssertionError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = self.cumsum(self.datasets)

    @staticmethod
    def cumsum(sequence):
        """The running sums of the lengths."""
        return list(accumulate(len(item) for item in sequence))

    def __len__(self):
        return self.cumulative_sizes[-1]

    def __getitem__(self, idx):
        if idx < 0:
            if -idx > len(self):
                raise ValueError("absolute value of index should not exceed dataset length")
            idx += len(self)
        which = bisect_right(self.cumulative_sizes, idx)
        start = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][idx - start]


class ChainDataset(IterableDataset):
    """Iterable datasets one after another (source: torch.utils.data.ChainDataset)."""

    def __init__(self, datasets):
        self.datasets = datasets

    def __iter__(self):
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")
            yield from dataset

    def __len__(self):
        total = 0
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")
            total += len(dataset)
        return total


class Subset(Dataset):
    """The samples of `dataset` at `indices`, in that order (source: torch.utils.data.Subset)."""

    def __init__(self, dataset, indices):
        self.dataset = dataset
        self.indices = indices
        kind = type(self)
        if kind.__getitem__ is not Subset.__getitem__ and kind.__getitems__ is Subset.__getitems__:
            raise NotImplementedError(
                f"{kind.__name__} overrides __getitem__ but not __getitems__: a loader fetches "
                "whole batches through __getitems__. Define it beside __getitem__, for "
                "example:\n\n"
                "def __getitems__(self, indices):\n    return [self.__getitem__(idx) for idx in "
                "indices]"
            )

    def __getitem__(self, idx):
        if isinstance(idx, list):
            return self.dataset[[self.indices[i] for i in idx]]
        return self.dataset[self.indices[idx]]

    def __getitems__(self, indices):
        return _samples(self.dataset, [self.indices[i] for i in indices])

    def __len__(self):
        return len(self.indices)

    def __gather__(self, index):
        gather = getattr(self.dataset, "__gather__", None)
        if gather is None or type(self).__getitems__ is not Subset.__getitems__:
            return None
        places = self.indices
        picked = [places[i] for i in index.tolist()]
        if not all(type(i) is int and i >= 0 for i in picked) or max(picked) >= len(self.dataset):
            return None
        return gather(_C.tensor(picked))


def random_split(dataset, lengths, generator=None):
    """Cuts a dataset into Subsets of these lengths at random, without overlap (source:
    torch.utils.data.random_split).

    lengths: whole numbers that add up to len(dataset), or fractions that add up to 1; what rounding
    leaves over goes to the first splits, one each. generator: default the global one.
    """
    if isclose(sum(lengths), 1) and sum(lengths) <= 1:
        whole = []
        for i, fraction in enumerate(lengths):
            if fraction < 0 or fraction > 1:
                raise ValueError(f"Fraction at index {i} is not between 0 and 1")
            whole.append(floor(len(dataset) * fraction))
        for i in range(len(dataset) - sum(whole)):
            whole[i % len(whole)] += 1
        lengths = whole
        for i, length in enumerate(lengths):
            if length == 0:
                warnings.warn(
                    f"Length of split at index {i} is 0. This might result in an empty dataset.",
                    stacklevel=2,
                )
    if sum(lengths) != len(dataset):
        raise ValueError("Sum of input lengths does not equal the length of the input dataset!")
    order = _C.randperm(sum(lengths), generator=generator).tolist()
    return [
        Subset(dataset, order[end - length : end])
        for end, length in zip(accumulate(lengths), lengths)
    ]
