"""The safetensors side of flambeau.serialization: a file of tensors by name.

Earlier versions of Flambeau saved every object in this format, and described what is not just a
dict of tensors as JSON in the file's metadata under "flambeau": a tensor as {"tensor": its name};
dict, list, tuple and so on as {"dict": [[key, value], ...]}, {"list": [...]}, ... Such files are
still read.
"""

from flambeau import _C
from flambeau._weights_only_unpickler import Unpickler, UnpicklingError


def flat_tensors(obj):
    """Whether obj is a dict of tensors with str keys, without a tensor in two places."""
    return (
        isinstance(obj, dict)
        and all(isinstance(key, str) and isinstance(value, _C.Tensor) for key, value in obj.items())
        and len({id(value) for value in obj.values()}) == len(obj)
    )


def save_safetensors(tensors, path):
    """Writes a dict of tensors as they look: contiguous, each for itself."""
    values = [t.detach() for t in tensors.values()]
    _C._safetensors_save(path, list(tensors), values, {"format": "pt"})


def load_safetensors(content, place):
    """The object in what _C._safetensors_load gave. place(storage, location) puts storages where
    load's map_location wants them."""
    names, tensors, metadata = content
    for t in tensors:
        place(t.untyped_storage(), "cpu")
    found = dict(zip(names, tensors))
    structure = metadata.get("flambeau")
    if structure is None:
        return found
    import json

    try:
        return _Rebuilder(found, len(structure)).rebuild(json.loads(structure))
    except (
        AttributeError, KeyError, OverflowError, RecursionError, TypeError, UnpicklingError, ValueError
    ) as error:  # fmt: skip
        raise RuntimeError(
            f"safetensors: the structure in the file's metadata is damaged: {error}"
        ) from None


class _Rebuilder:
    """Makes the objects that descriptions stand for."""

    def __init__(self, tensors, size):
        self.tensors, self.machine = tensors, Unpickler(bytes(size))

    def rebuild(self, part):
        if not isinstance(part, dict):
            return part
        ((kind, content),) = part.items()
        if kind == "tensor":
            return self.tensors[content]
        if kind == "dict":
            made = {}
            for key, value in content:
                self.machine.put(made, self.rebuild(key), self.rebuild(value))
            return made
        if kind == "bytes":
            return bytes.fromhex(content)
        if kind == "size":
            return _C.Size(content)
        if kind == "dtype":
            dtype = getattr(_C, content, None)
            if not isinstance(dtype, _C.dtype):
                raise ValueError(f"no dtype {content}")
            return dtype
        items = [self.rebuild(item) for item in content]
        if kind == "set":
            return self.machine.keyed(set, (items,))
        return {"list": list, "tuple": tuple}[kind](items)
