"""Making a batch of samples (source: torch.utils.data.default_collate, default_convert). NumPy is
never imported here: its arrays are known by their type's module."""

from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from copy import copy

from flambeau import _C


def _is_numpy(kind):
    return kind.__module__ == "numpy" and kind.__name__ not in ("str_", "bytes_", "string_")


def _unsupported(found):
    return TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts "
        f"or lists; found {found}"
    )


def _holds_text(array):
    """Whether a NumPy array holds strings or objects, which no tensor can."""
    return array.dtype.kind in "SUO"


def _rebuild_mapping(like, made):
    """A mapping of the type of `like` with the values of the dict `made`; a dict where that type
    cannot be made so."""
    try:
        if isinstance(like, MutableMapping):
            clone = copy(like)
            clone.update(made)
            return clone
        return type(like)(made)
    except TypeError:
        return made


def _rebuild_sequence(like, made):
    """A sequence of the type of `like` with these items; a list where that type cannot be made
    so."""
    try:
        if isinstance(like, MutableSequence):
            clone = copy(like)
            for i, item in enumerate(made):
                clone[i] = item
            return clone
        return type(like)(made)
    except TypeError:
        return made


def default_convert(data):
    """Turns the NumPy arrays and numbers of one sample into tensors, inside mappings and sequences
    too; what else there is stays as it is (source: torch.utils.data.default_convert)."""
    kind = type(data)
    if isinstance(data, _C.Tensor):
        return data
    if _is_numpy(kind):
        if kind.__name__ == "ndarray" and _holds_text(data):
            return data
        return _C.as_tensor(data)
    if isinstance(data, Mapping):
        return _rebuild_mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, tuple):
        items = [default_convert(item) for item in data]
        return kind(*items) if hasattr(data, "_fields") else items
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _rebuild_sequence(data, [default_convert(item) for item in data])
    return data


def default_collate(batch):
    """Stacks a list of samples into a batch with a new first dimension (source:
    torch.utils.data.default_collate).

    Tensors and NumPy arrays are stacked; floats become a float64 tensor, ints and bools an int64 or
    bool one; text stays a list; mappings, named tuples and sequences are collated item by item (a
    tuple gives a list). RuntimeError when sequences differ in length, TypeError for what cannot be
    collated.
    """
    first = batch[0]
    kind = type(first)
    if isinstance(first, _C.Tensor):
        return _C.stack(batch, 0)
    if kind is int or kind is bool:
        return _C.tensor(batch)
    if kind is float:
        return _C.tensor(batch, dtype=_C.float64)
    if isinstance(first, (str, bytes)):
        return batch
    if _is_numpy(kind):
        if kind.__name__ not in ("ndarray", "memmap"):
            return _C.as_tensor(batch)
        if _holds_text(first):
            raise _unsupported(first.dtype)
        return _C.stack([_C.as_tensor(item) for item in batch], 0)
    if isinstance(first, float):
        return _C.tensor(batch, dtype=_C.float64)
    if isinstance(first, int):
        return _C.tensor(batch)
    if isinstance(first, Mapping):
        return _rebuild_mapping(
            first, {key: default_collate([item[key] for item in batch]) for key in first}
        )
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return kind(*(default_collate(column) for column in zip(*batch)))
    if isinstance(first, Sequence):
        size = len(first)
        if any(len(item) != size for item in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [default_collate(column) for column in zip(*batch)]
        return columns if isinstance(first, tuple) else _rebuild_sequence(first, columns)
    raise _unsupported(kind)
