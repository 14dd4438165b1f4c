"""Sequences of different lengths: packed step by step, or padded (source: torch.nn.utils.rnn)."""
from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable

import flambeau
from flambeau import _C

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]

_Fields = namedtuple("PackedSequence_", "data batch_sizes sorted_indices unsorted_indices")


class PackedSequence(_Fields):
    """Sequences step by step, longest first: what recurrent modules read without padding.

    data (rows, *): the first elements of all sequences, then the second elements of those that have
    one, and so on. batch_sizes (steps,): how many rows each step has. sorted_indices, None where
    the sequences came sorted: which sequence stands first, second...; unsorted_indices undoes it.
    """

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not (isinstance(data, (list, tuple)) and len(data) == 2):
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        elif batch_sizes.device.type != "cpu":
            raise ValueError("batch_sizes should always be on CPU.")
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args, **kwargs):
        """The sequence with data.to(...); itself where that changes nothing."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        moved = [None if index is None else index.to(data.device) for index in self[2:]]
        return type(self)(data, self.batch_sizes, *moved)

    def cuda(self, *args, **kwargs):
        return self.to(*args, **(kwargs if args else {"device": "cuda", **kwargs}))

    def cpu(self, *args, **kwargs):
        return self.to(*args, **(kwargs if args else {"device": "cpu", **kwargs}))

    def pin_memory(self):
        pinned = [None if index is None else index.pin_memory() for index in self[2:]]
        return type(self)(self.data.pin_memory(), self.batch_sizes, *pinned)

    def is_pinned(self):
        return self.data.is_pinned()

    @property
    def is_cuda(self):
        return self.data.is_cuda

    def double(self):
        return self.to(dtype=flambeau.float64)

    def float(self):
        return self.to(dtype=flambeau.float32)

    def half(self):
        return self.to(dtype=flambeau.float16)

    def long(self):
        return self.to(dtype=flambeau.int64)

    def int(self):
        return self.to(dtype=flambeau.int32)

    def short(self):
        return self.to(dtype=flambeau.int16)

    def char(self):
        return self.to(dtype=flambeau.int8)

    def byte(self):
        return self.to(dtype=flambeau.uint8)


def invert_permutation(permutation):
    """The permutation that undoes this one; None of None."""
    if permutation is None:
        return None
    places = flambeau.arange(permutation.numel(), device=permutation.device)
    return flambeau.empty_like(permutation).scatter_(0, permutation, places)


def pack_padded_sequence(input, lengths, batch_first=False, enforce_sorted=True):
    """Packs input (T, N, *), or with batch_first (N, T, *), whose sequence n has lengths[n] steps.

    Sequences that are not sorted by falling length need enforce_sorted=False; otherwise they are a
    RuntimeError, as are lengths below 1 or above T.
    """
    if isinstance(lengths, flambeau.Tensor):
        lengths = lengths.to(dtype=flambeau.int64)
        if lengths.device.type != "cpu":
            raise RuntimeError("'lengths' argument should be a 1D CPU int64 tensor, but got "
                               f"{lengths.dim()}D {lengths.device} Long tensor")
    else:
        lengths = flambeau.as_tensor(lengths, dtype=flambeau.int64)
    order = None
    if not enforce_sorted:
        lengths, order = flambeau.sort(lengths, descending=True)
        order = order.to(input.device)
        input = input.index_select(0 if batch_first else 1, order)
    data, batch_sizes = _C._pack_padded_sequence(input, lengths, batch_first)
    return PackedSequence(data, batch_sizes, order)


def pad_packed_sequence(sequence, batch_first=False, padding_value=0.0, total_length=None):
    """The padded tensor, T steps or total_length, and the lengths, in the order before packing."""
    steps = sequence.batch_sizes.size(0)
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input,"
                f" but got total_length={total_length} and max sequence length being {steps}"
            )
        steps = total_length
    padded, lengths = _C._pad_packed_sequence(
        sequence.data, sequence.batch_sizes, batch_first, padding_value, steps
    )
    order = sequence.unsorted_indices
    if order is None:
        return padded, lengths
    return padded.index_select(0 if batch_first else 1, order), lengths[order.cpu()]


def pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    """Sequences (L, *) as one tensor (T, N, *), or with batch_first (N, T, *), T the longest L."""
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type:"
            f" {type(sequences)}"
        )
    return _C._nn.pad_sequence(tuple(sequences), batch_first, padding_value, padding_side)


def unpad_sequence(padded_sequences, lengths, batch_first=False):
    """The list of sequences that pad_sequence padded."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    if len(padded_sequences) != len(lengths):
        raise ValueError(
            f"unpad_sequence: {len(padded_sequences)} sequences, but {len(lengths)} lengths"
        )
    return [row[: int(length)].clone() for row, length in zip(padded_sequences, lengths)]


def pack_sequence(sequences, enforce_sorted=True):
    """Packs a list of sequences (L, *)."""
    lengths = flambeau.as_tensor([sequence.size(0) for sequence in sequences])
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences):
    """The list of sequences that pack_sequence packed."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
