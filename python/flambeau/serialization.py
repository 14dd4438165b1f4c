"""Saving and loading (source: torch.save, torch.load), as safetensors files.

A file holds tensors by name. A flat dict of tensors with str keys, what state_dict() gives, is just
that, and any program that reads safetensors can read it. Anything else (a checkpoint with numbers,
nested dicts and lists, an optimizer's state, a single tensor) also carries its structure, as JSON
in the file's metadata under "flambeau": a tensor stands there as {"tensor": its name}, and dict,
list, tuple and so on as {"dict": [[key, value], ...]}, {"list": [...]}, ...
"""

import os

from flambeau import _C
from flambeau._hint import hint

_STRUCTURE = "flambeau"


def save(obj, f, pickle_module=None, pickle_protocol=None, _use_new_zipfile_serialization=True):
    """Writes tensors, and dicts, lists, tuples, numbers, texts and None around them, to f: a path,
    or a file opened for writing bytes (source: torch.save).

    A path's file is replaced only when all is written. One tensor in two places is written once and
    is one tensor again when loaded. TypeError for objects of other kinds: save a module's
    state_dict().
    """
    writer = _Writer()
    if _is_flat(obj):
        names, tensors, metadata = list(obj), list(obj.values()), {"format": "pt"}
    else:
        import json

        structure = json.dumps(writer.describe(obj, ""), separators=(",", ":"))
        names, tensors, metadata = (
            writer.names,
            writer.tensors,
            {"format": "pt", _STRUCTURE: structure},
        )
    tensors = [t.detach() for t in tensors]
    if hasattr(f, "write"):
        f.write(_C._safetensors_dumps(names, tensors, metadata))
    else:
        _C._safetensors_save(f, names, tensors, metadata)


def load(
    f, map_location=None, pickle_module=None, *, weights_only=None, mmap=None, **pickle_load_args
):
    """Reads what save wrote, or any safetensors file, from a path or a file opened for reading
    bytes (source: torch.load).

    map_location: a device, a dict or a function of devices, as in PyTorch. Nothing in a file is
    ever executed, so weights_only changes nothing. FileNotFoundError when there is no such file;
    RuntimeError, which says what is wrong, for a damaged file and for PyTorch's own .pt format.
    """
    if hasattr(f, "read"):
        content = f.read()
        _refuse_pickle(bytes(content[:9]), "this file")
        names, tensors, metadata = _C._safetensors_loads(content)
    else:
        with open(f, "rb") as file:
            _refuse_pickle(file.read(9), f"'{os.fspath(f)}'")
        names, tensors, metadata = _C._safetensors_load(f)
    if map_location is not None:
        tensors = [_mapped(t, map_location) for t in tensors]
    found = dict(zip(names, tensors))
    structure = metadata.get(_STRUCTURE)
    if structure is None:
        return found
    import json

    try:
        return _rebuild(json.loads(structure), found)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise RuntimeError(
            f"safetensors: the structure in the file's metadata is damaged: {error}"
        ) from None


def _refuse_pickle(start, what):
    """RuntimeError for the two formats of PyTorch's own files. A header of safetensors, which
    begins at the ninth byte, may have a length whose lowest byte is a pickle's first."""
    if start[:4] == b"PK\x03\x04" or start[:1] == b"\x80" and start[8:] != b"{":
        kind = "zip archive" if start[:1] == b"P" else "pickle"
        raise RuntimeError(
            f"{what} is a PyTorch file (a {kind}); Flambeau reads safetensors files."
            + hint(
                "convert it once, where PyTorch and safetensors are installed, with "
                "safetensors.torch.save_file(torch.load('model.pt', map_location='cpu'), "
                "'model.safetensors'), and load model.safetensors.",
                "请在装有 PyTorch 和 safetensors 的环境中转换一次："
                "safetensors.torch.save_file(torch.load('model.pt', map_location='cpu'), "
                "'model.safetensors')，然后加载 model.safetensors。",
            )
        )


def _is_flat(obj):
    """Whether obj is a dict of tensors with str keys, without a tensor in two places."""
    return (
        isinstance(obj, dict)
        and all(isinstance(key, str) and isinstance(value, _C.Tensor) for key, value in obj.items())
        and len({id(value) for value in obj.values()}) == len(obj)
    )


class _Writer:
    """Gathers the tensors of an object and describes what is around them."""

    def __init__(self):
        self.names, self.tensors, self._known = [], [], {}

    def describe(self, obj, path):
        """obj as JSON. path: how it is reached, which becomes its name if it is a tensor."""
        if obj is None or isinstance(obj, (bool, str)):
            return obj
        if isinstance(obj, _C.Tensor):
            return {"tensor": self._name(obj, path)}
        if isinstance(obj, (int, float)):
            return obj
        if isinstance(obj, _C.Size):
            return {"size": list(obj)}
        if isinstance(obj, dict):
            return {
                "dict": [
                    [self._key(key), self.describe(value, f"{path}.{key}" if path else str(key))]
                    for key, value in obj.items()
                ]
            }
        if isinstance(obj, (list, tuple, set)):
            kind = "list" if isinstance(obj, list) else "tuple" if isinstance(obj, tuple) else "set"
            return {
                kind: [
                    self.describe(item, f"{path}.{i}" if path else str(i))
                    for i, item in enumerate(obj)
                ]
            }
        if isinstance(obj, bytes):
            return {"bytes": obj.hex()}
        if isinstance(obj, _C.dtype):
            return {"dtype": str(obj).rsplit(".", 1)[-1]}
        if hasattr(obj, "item") and type(obj).__module__ == "numpy":
            return obj.item()
        where = f" (at '{path}')" if path else ""
        if hasattr(obj, "state_dict"):
            advice = hint("save its state_dict().", "请保存它的 state_dict()。")
        else:
            advice = hint("save the tensors and numbers it holds.", "请保存其中的张量和数值。")
        raise TypeError(
            "save() takes tensors, numbers, texts, and dicts, lists and tuples of "
            f"them, but got {type(obj).__name__}{where}.{advice}"
        )

    def _key(self, key):
        if isinstance(key, (str, bool, int, float)) or key is None:
            return key
        if isinstance(key, tuple):
            return {"tuple": [self._key(item) for item in key]}
        raise TypeError(
            f"save() takes dict keys that are texts or numbers, but got {type(key).__name__}"
        )

    def _name(self, tensor, path):
        name = self._known.get(id(tensor))
        if name is None:
            name, taken = path or "tensor", 1
            while name in self._known or name == "__metadata__":
                taken += 1
                name = f"{path}#{taken}"
            self._known[id(tensor)] = self._known[name] = name
            self.names.append(name)
            self.tensors.append(tensor)
        return name


def _rebuild(part, tensors):
    """The object that a description stands for."""
    if not isinstance(part, dict):
        return part
    ((kind, content),) = part.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {_rebuild(key, tensors): _rebuild(value, tensors) for key, value in content}
    if kind == "bytes":
        return bytes.fromhex(content)
    if kind == "size":
        return _C.Size(content)
    if kind == "dtype":
        dtype = getattr(_C, content)
        if not isinstance(dtype, _C.dtype):
            raise ValueError(f"no dtype {content}")
        return dtype
    return {"list": list, "tuple": tuple, "set": set}[kind](
        _rebuild(item, tensors) for item in content
    )


def _mapped(tensor, where):
    """A loaded tensor where map_location wants it."""
    if callable(where):
        moved = where(tensor, "cpu")
        return tensor if moved is None else moved
    if isinstance(where, dict):
        where = where.get("cpu", "cpu")
    return tensor.to(where)
