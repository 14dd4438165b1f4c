"""Making a batch of samples (source: torch.utils.data.default_collate, default_convert). NumPy is
never imported here: its arrays are known by their type's module."""

from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from copy import copy

from flambeau import _C
from flambeau.utils.data._utils import info


def _is_numpy(kind):
    return kind.__module__ == "numpy" and kind.__name__ not in ("str_", "bytes_", "string_")


default_collate_err_msg_format = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)


def _unsupported(found):
    return TypeError(default_collate_err_msg_format.format(found))


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


def collate(batch, *, collate_fn_map=None):
    """Makes a batch of a list of samples (source: torch.utils.data._utils.collate.collate).

    collate_fn_map: what collates samples of a type, or of a subclass of it, as
    function(batch, collate_fn_map=...). Mappings, named tuples and sequences are collated item by
    item (a tuple gives a list). RuntimeError when sequences differ in length, TypeError for what
    cannot be collated.
    """
    first = batch[0]
    kind = type(first)
    if collate_fn_map is not None:
        function = collate_fn_map.get(kind)
        if function is None and _is_numpy(kind) and collate_fn_map is default_collate_fn_map:
            array = kind.__name__ in ("ndarray", "memmap")
            function = collate_numpy_array_fn if array else collate_numpy_scalar_fn
        if function is None:
            for known, other in collate_fn_map.items():
                if isinstance(first, known):
                    function = other
                    break
        if function is not None:
            return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        made = {
            key: collate([item[key] for item in batch], collate_fn_map=collate_fn_map)
            for key in first
        }
        return made if kind is dict else _rebuild_mapping(first, made)
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return kind(*(collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch)))
    if isinstance(first, Sequence):
        size = len(first)
        if any(len(item) != size for item in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch)]
        plain = kind is list or isinstance(first, tuple)
        return columns if plain else _rebuild_sequence(first, columns)
    raise _unsupported(kind)


def collate_tensor_fn(batch, *, collate_fn_map=None):
    """Stacks tensors; in a worker process straight into shared memory."""
    if info.filler is not None:
        whole = info.filler.take(len(batch) * batch[0].nbytes)
        shared = _C._stack_shared(batch, whole)
        if shared is not None:
            return shared
    return _C.stack(batch, 0)


def collate_numpy_array_fn(batch, *, collate_fn_map=None):
    """Stacks NumPy arrays; TypeError for arrays of strings or objects."""
    if _holds_text(batch[0]):
        raise _unsupported(batch[0].dtype)
    holder, filler = None, info.filler
    if filler is not None:
        holder = filler.take(len(batch) * batch[0].nbytes)
    stacked = _C._stack_arrays(batch, filler is not None, holder)
    if stacked is not None:
        return stacked
    return collate_tensor_fn([_C.as_tensor(item) for item in batch])


def collate_numpy_scalar_fn(batch, *, collate_fn_map=None):
    """A tensor of NumPy's scalars."""
    return _C.as_tensor(batch)


def collate_float_fn(batch, *, collate_fn_map=None):
    """A float64 tensor."""
    return _C.tensor(batch, dtype=_C.float64)


def collate_int_fn(batch, *, collate_fn_map=None):
    """An int64 or bool tensor."""
    return _C.tensor(batch)


def collate_str_fn(batch, *, collate_fn_map=None):
    """Text stays a list."""
    return batch


# What default_collate does with a type; programs add theirs. NumPy's types, which may not be
# imported, are known to collate by their module.
default_collate_fn_map = {
    _C.Tensor: collate_tensor_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


def default_collate(batch):
    """Stacks a list of samples into a batch with a new first dimension (source:
    torch.utils.data.default_collate).

    Tensors and NumPy arrays are stacked; floats become a float64 tensor, ints and bools an int64 or
    bool one; text stays a list; mappings, named tuples and sequences are collated item by item (a
    tuple gives a list). RuntimeError when sequences differ in length, TypeError for what cannot be
    collated.
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
