"""Saving and loading (source: torch.save, torch.load): PyTorch's .pt files, and safetensors.

save() writes the archive that PyTorch writes: `data.pkl`, a pickle in which a storage is an id, and
`data/0`, `data/1`, ... with the storages' bytes; classes stand in it under torch's names, so that
PyTorch reads the file. A path that ends in .safetensors gets that format, where the object is a
dict of tensors. load() tells the formats apart by their first bytes, PyTorch's old one (pickles one
after the other, then the bytes) among them.
"""

import io
import os
import pickle
import struct
import sys
from contextlib import contextmanager
from enum import Enum

from flambeau import _C, _weights_only_unpickler, storage
from flambeau._pickled_names import own_module, torch_module
from flambeau._hint import noted
from flambeau._safetensors import flat_tensors, load_safetensors, save_safetensors
from flambeau._weights_only_unpickler import UnpicklingError

__all__ = [
    "LoadEndianness", "add_safe_globals", "clear_safe_globals",
    "get_crc32_options", "get_default_load_endianness", "get_default_mmap_options",
    "get_safe_globals", "get_unsafe_globals_in_checkpoint", "load", "safe_globals", "save",
    "set_crc32_options", "set_default_load_endianness", "set_default_mmap_options",
]  # fmt: skip

_MAGIC = 0x1950A86A20F9469CFC6C  # of the old format, its version, and what follows it
_VERSION = 1001
_ALIGNMENT = "64"
_WIDEST = 16  # bytes of the largest element, whose multiples storages must begin at


# ---- names that users trust, and options -----------------------------------------------------


def _get_layout(name):
    """A layout by the name that pickles of sparse tensors hold: "torch.sparse_coo"."""
    return getattr(_C, name.removeprefix("torch."))


def add_safe_globals(safe_globals):
    """From now on load(weights_only=True) accepts these classes and functions: a list of them, or
    of pairs with the name that files give them (source: torch.serialization.add_safe_globals)."""
    _weights_only_unpickler._trusted.extend(safe_globals)


def get_safe_globals():
    """What add_safe_globals was given (source: torch.serialization.get_safe_globals)."""
    return list(_weights_only_unpickler._trusted)


def clear_safe_globals():
    """Forgets what add_safe_globals was given (source: torch.serialization.clear_safe_globals)."""
    _weights_only_unpickler._trusted.clear()


@contextmanager
def _safe_globals(added):
    before = get_safe_globals()
    add_safe_globals(added)
    try:
        yield
    finally:
        _weights_only_unpickler._trusted[:] = before


def safe_globals(safe_globals):
    """A context in which load(weights_only=True) accepts these too (source:
    torch.serialization.safe_globals)."""
    return _safe_globals(safe_globals)


class LoadEndianness(Enum):
    """Byte orders (source: torch.serialization.LoadEndianness)."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


_options = {"endianness": None, "mmap": 2, "crc32": True}


def get_default_load_endianness():
    """The byte order of files that do not say theirs, or None: this machine's (source:
    torch.serialization.get_default_load_endianness)."""
    return _options["endianness"]


def set_default_load_endianness(endianness):
    """A LoadEndianness or None (source: torch.serialization.set_default_load_endianness)."""
    if endianness is not None and not isinstance(endianness, LoadEndianness):
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    _options["endianness"] = endianness


def get_default_mmap_options():
    """mmap.MAP_PRIVATE or MAP_SHARED (source: torch.serialization.get_default_mmap_options)."""
    return _options["mmap"]


class set_default_mmap_options:
    """How load(mmap=True) maps a file: mmap.MAP_PRIVATE, writes stay in memory, or MAP_SHARED, they
    go to the file. Also a context (source: torch.serialization.set_default_mmap_options)."""

    def __init__(self, flags):
        if flags not in (1, 2):
            raise ValueError(
                "Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE "
                f"or mmap.MAP_SHARED, but got {flags}"
            )
        self.before, _options["mmap"] = _options["mmap"], flags

    def __enter__(self):
        pass

    def __exit__(self, *error):
        _options["mmap"] = self.before


def get_crc32_options():
    """What set_crc32_options was given (source: torch.serialization.get_crc32_options)."""
    return _options["crc32"]


def set_crc32_options(compute_crc32):
    """Accepted: checksums are always written (source: torch.serialization.set_crc32_options)."""
    _options["crc32"] = compute_crc32


# ---- saving ----------------------------------------------------------------------------------


def save(
    obj,
    f,
    pickle_module=pickle,
    pickle_protocol=2,
    _use_new_zipfile_serialization=True,
    _disable_byteorder_record=False,
):
    """Writes any object that can be pickled, with the tensors in it, to f: a path, or a file opened
    for writing bytes (source: torch.save).

    Storages are written once and whole, so views stay views. What is at a path is replaced when all
    is written and on the disk, and stays as it is when anything fails. A path that ends in
    .safetensors gets that format where obj is a dict of tensors by name. The pickle has protocol 2,
    which PyTorch reads with weights_only=True, whatever pickle_protocol says.

    RuntimeError where the folder is missing; what pickle raises for what cannot be pickled.
    """
    is_path = isinstance(f, (str, os.PathLike))
    if not is_path and not hasattr(f, "write"):
        raise AttributeError(
            "expected 'f' to be string, path, or a file-like object with a 'write' attribute"
        )
    if is_path:
        folder = os.path.dirname(os.fspath(f))
        if folder and not os.path.isdir(folder):
            raise RuntimeError(f"Parent directory {os.fsdecode(folder)} does not exist.")
        if os.fsdecode(f).endswith(".safetensors") and flat_tensors(obj):
            return save_safetensors(obj, f)
    if not _use_new_zipfile_serialization:
        pieces = _pickles(obj, pickle_module)
    else:
        names, data = _entries(obj, pickle_module, f if is_path else None, _disable_byteorder_record)
        if is_path:
            _C._write_archive(f, names, data)
            return
        headers = _C._zip_headers(names, data)
        pieces = [*(piece for pair in zip(headers, data) for piece in pair), headers[-1]]
    if is_path:
        _C._write_file(f, pieces)
    else:
        for piece in pieces:
            f.write(piece)


class _Storages:
    """The storages of an object that is being pickled, and their ids."""

    def __init__(self, legacy):
        self.legacy, self.keys, self.found = legacy, {}, []

    def id_of(self, obj):
        """The persistent id of a storage, which stands for it in the pickle; None for others."""
        if isinstance(obj, storage.TypedStorage):
            dtype, kind = obj.dtype, storage._TYPES[obj.dtype]
        elif isinstance(obj, storage.UntypedStorage):
            dtype, kind = _C.uint8, storage.UntypedStorage
        else:
            return None
        untyped = obj.untyped()
        key, known = self.keys.setdefault(untyped._cdata, (str(len(self.found)), dtype))
        if len(self.found) == int(key):
            self.found.append((untyped, dtype))
        elif known is not dtype:
            raise RuntimeError(
                "Cannot save multiple tensors or storages that view the same data as different "
                "types"
            )
        size = untyped.nbytes() // dtype.itemsize
        location = str(untyped.device)
        return ("storage", kind, key, location, size, *((None,) if self.legacy else ()))


def _pickled(obj, pickle_module, storages):
    """obj as a pickle of protocol 2 under torch's names."""

    class Pickler(pickle_module.Pickler):
        def persistent_id(self, obj):
            return storages.id_of(obj)

    content = io.BytesIO()
    Pickler(content, protocol=2).dump(obj)
    return _renamed(content.getbuffer())


# How many bytes follow the instructions of protocol 2; below, those with a length or lines.
_FIXED = {ord(code): size for size, codes in enumerate(("(.)}]NQRabestu01", "Khq", "M", "", "Jjr"))
          for code in codes} | {0x80: 1, ord("G"): 8}  # fmt: skip
_FIXED.update(dict.fromkeys((0x81, 0x85, 0x86, 0x87, 0x88, 0x89), 0))
_LENGTHS = {ord("X"): "<I", ord("T"): "<i", ord("U"): "<B", 0x8A: "<B", 0x8B: "<i"}
_LINES = dict.fromkeys(map(ord, "FILSVgp"), 1) | {ord("c"): 2}


def _renamed(content):
    """The pickle with flambeau's names replaced by torch's."""
    content, out, at, done = bytes(content), [], 0, 0
    while at < len(content):
        code, begin = content[at], at + 1
        if code in _FIXED:
            at = begin + _FIXED[code]
        elif code in _LENGTHS:
            (size,) = struct.unpack_from(_LENGTHS[code], content, begin)
            at = begin + struct.calcsize(_LENGTHS[code]) + size
        else:
            at = begin
            for _ in range(_LINES[code]):
                at = content.index(b"\n", at) + 1
            if code == 0x63:  # GLOBAL
                out += content[done:begin], _torch_name(content[begin : at - 1])
                done = at - 1
    return b"".join([*out, content[done:]])


def _torch_name(name):
    """b"module\\nname" as PyTorch calls it."""
    module, name = name.decode().split("\n")
    if isinstance(getattr(sys.modules.get(module), name, None), (_C.dtype, type(_C.strided))):
        module = "torch"  # pickle gives the first module in which it finds such a value
    return f"{torch_module(module, name)}\n{name}".encode()


def _entries(obj, pickle_module, path, no_byteorder):
    """The names of an archive's entries, and what they hold, in order."""
    top = os.path.splitext(os.path.basename(os.fsdecode(path)))[0] if path is not None else ""
    top = top if top.isascii() and top else "archive"
    storages = _Storages(legacy=False)
    entries = {
        "data.pkl": _pickled(obj, pickle_module, storages),
        ".format_version": b"1",
        ".storage_alignment": _ALIGNMENT.encode(),
    }
    if not no_byteorder:
        entries["byteorder"] = sys.byteorder.encode()
    for i, (untyped, _) in enumerate(storages.found):
        entries[f"data/{i}"] = untyped._elements().cpu()
    entries["version"] = b"3\n"
    return [f"{top}/{name}" for name in entries], list(entries.values())


def _pickles(obj, pickle_module):
    """The pieces of a file in the old format."""
    storages = _Storages(legacy=True)
    content = _pickled(obj, pickle_module, storages)
    system = {
        "protocol_version": _VERSION,
        "little_endian": sys.byteorder == "little",
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    keys = [key for key, _ in storages.keys.values()]
    pieces = [pickle.dumps(part, 2) for part in (_MAGIC, _VERSION, system)]
    pieces += content, pickle.dumps(keys, 2)
    for untyped, dtype in storages.found:
        pieces += struct.pack("<q", untyped.nbytes() // dtype.itemsize), untyped._elements().cpu()
    return pieces


# ---- loading ---------------------------------------------------------------------------------


def load(
    f, map_location=None, pickle_module=None, *, weights_only=None, mmap=None, **pickle_load_args
):
    """Reads what save wrote, or any .pt or safetensors file, from a path or a file opened for
    reading bytes (source: torch.load).

    map_location: a device, a dict or a function of devices, as in PyTorch. weights_only: True, the
    default, makes tensors, numbers, texts and containers, and executes nothing that the file says;
    other names raise pickle.UnpicklingError. False trusts the file: it may run any code. mmap: the
    tensors lie in the mapped file, which is read when they are.

    FileNotFoundError when there is no such file; RuntimeError, which says what is wrong, or
    UnpicklingError for a damaged file.
    """
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    if weights_only is None:
        forced = os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "0").lower()
        weights_only = pickle_module is None and forced not in ("1", "y", "yes", "true")
    options = _Loading(map_location, pickle_module, weights_only, pickle_load_args)
    if isinstance(f, (str, bytes, os.PathLike)):
        with open(f, "rb") as file:
            return _load_file(file, f, options, mmap)
    if mmap:
        raise ValueError("f must be a file path in order to use the mmap argument")
    for method in ("read", "seek", "tell"):
        if not hasattr(f, method):
            raise AttributeError(
                f"'{type(f).__name__}' object has no attribute '{method}'. You can only torch.load "
                "from a file that is seekable. Please pre-load the data into a buffer like "
                "io.BytesIO and try to load from it instead."
            )
    return _load_bytes(f, options)


class _Loading:
    """How a file is read: load's arguments, and the machine that reads its pickles."""

    def __init__(self, map_location, pickle_module, weights_only, arguments):
        self.map_location, self.weights_only = map_location, weights_only
        self.module = pickle_module or pickle
        self.arguments = {"encoding": "utf-8", **arguments}

    def unpickle(self, content, at, persistent_load):
        """The object of a pickle and where it ends."""
        if self.weights_only:
            machine = _weights_only_unpickler.Unpickler(
                content, at, persistent_load, self.arguments["encoding"]
            )
            try:
                return machine.load(), machine.at
            except UnpicklingError as error:
                raise UnpicklingError(_WEIGHTS_ONLY.format(error)) from None
        file = io.BytesIO(content)
        file.seek(at)
        machine = _trusting(self.module, persistent_load)(file, **self.arguments)
        return machine.load(), file.tell()

    def place(self, untyped, location):
        """A storage that was saved at `location`, where map_location wants it."""
        where = self.map_location
        if isinstance(where, dict):
            location = where.get(location, location)
        elif callable(where):
            moved = where(untyped, location)
            if moved is not None:
                return moved.untyped()
        elif where is not None:
            location = str(where)
        return _restored(untyped, location)


_WEIGHTS_ONLY = (
    "Weights only load failed. This file can still be loaded, to do so you have two options, "
    "\033[1mdo those steps only if you trust the source of the checkpoint\033[0m. \n"
    "\t(1) torch.load(..., weights_only=False) reads any file, and runs whatever code it says.\n"
    "\t(2) With weights_only=True, allow the names that the next line gives.\n"
    "\tWeightsUnpickler error: {}"
)


def _restored(untyped, location):
    if location.startswith("cpu"):
        return untyped
    if location.startswith(("opencl", "meta")):
        return untyped.to(device=location)
    if location.startswith("cuda"):
        raise RuntimeError(
            "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is "
            "False. If you are running on a CPU-only machine, please use torch.load with "
            "map_location=torch.device('cpu') to map your storages to the CPU."
        )
    raise RuntimeError(
        "don't know how to restore data location of torch.storage.UntypedStorage (tagged with "
        f"{location})"
    )


def _trusting(module, persistent):
    """An Unpickler that executes whatever a pickle says, with flambeau's classes for torch's."""

    class Unpickler(module.Unpickler):
        def find_class(self, module, name):
            return super().find_class(own_module(module, name), name)

        def persistent_load(self, saved_id):
            return persistent(saved_id)

    return Unpickler


def _load_file(file, path, options, mmap):
    """The object in an open file of that path."""
    start = file.read(9)
    if start[:4] == b"PK\x03\x04":
        if mmap:
            return _from_archive(_Mapped(path), options)
        return _from_archive(_OnDisk(file), options)
    if _begins_safetensors(start):
        _refuse_others(start)
        return load_safetensors(_C._safetensors_load(path), options.place)
    if mmap:
        raise RuntimeError(
            "mmap can only be used with files saved with "
            f"`torch.save({os.fsdecode(path)}, _use_new_zipfile_serialization=True), please "
            "torch.save your checkpoint with this option in order to use mmap."
        )
    file.seek(0)
    return _from_pickles(file.read(), 0, options)[0]


def _load_bytes(f, options):
    """The object in a file object, from where it stands."""
    begin = f.tell()
    content = f.read()
    if content[:4] == b"PK\x03\x04":
        return _from_archive(_InMemory(content), options)
    if not content:
        raise EOFError
    if _begins_safetensors(content[:9]):
        _refuse_others(content[:9])
        return load_safetensors(_C._safetensors_loads(content), options.place)
    found, end = _from_pickles(content, 0, options)
    f.seek(begin + end)
    return found


def _begins_safetensors(start):
    """A header of safetensors begins at the ninth byte, behind its length, whose lowest byte may be
    a pickle's first."""
    return start[:1] != b"\x80" or start[8:] == b"{"


def _refuse_others(start):
    """UnpicklingError for what begins as an array of NumPy's or as a text does."""
    if start[:6] == b"\x93NUMPY":
        fix = (
            "this is a file of NumPy's: torch.from_numpy(np.load(path)).",
            "这是 NumPy 的文件：torch.from_numpy(np.load(path))。",
        )
    elif len(start) == 9 and start[8:] != b"{" and all(32 <= c < 127 or c in b"\r\n\t" for c in start):
        fix = (
            "this is a text, and torch.load reads what torch.save wrote: a table of numbers is read by "
            "np.loadtxt(path, delimiter=',', skiprows=1), and torch.tensor makes it a tensor.",
            "这是文本文件，而 torch.load 只读 torch.save 保存的文件：数值表请用 "
            "np.loadtxt(path, delimiter=',', skiprows=1) 读取，再用 torch.tensor 变成张量。",
        )
    else:
        return
    raise noted(UnpicklingError(_WEIGHTS_ONLY.format(f"Unsupported operand {start[0]}")), *fix)


# ---- archives


class _InMemory:
    """An archive's bytes."""

    def __init__(self, content):
        self.content = content
        self.entries = {name: rest for name, *rest in _C._zip_entries(content)}

    def part(self, place, size):
        """A part as bytes."""
        return self.content[place : place + size]

    def read(self, name):
        """An entry as bytes."""
        place, packed, size, method = self.entries[name]
        content = self.part(place, packed)
        return content if method == 0 else _unpacked(content, size)

    def storage(self, name):
        """An entry as a storage."""
        return storage.UntypedStorage.from_buffer(self.read(name))


class _OnDisk(_InMemory):
    """An archive in an open file."""

    def __init__(self, file):
        self.file = file
        self.entries = {name: rest for name, *rest in _C._zip_entries(file.fileno())}

    def part(self, place, size):
        self.file.seek(place)
        content = self.file.read(size)
        if len(content) != size:
            raise RuntimeError("the archive was cut short while being read")
        return content

    def storage(self, name):
        place, packed, size, method = self.entries[name]
        if method != 0 or size == 0:
            return super().storage(name)
        made = _C.empty([size], dtype=_C.uint8)
        self.file.seek(place)
        if self.file.readinto(memoryview(made)) != size:
            raise RuntimeError("the archive was cut short while being read")
        return made.untyped_storage()


class _Mapped(_InMemory):
    """An archive in a mapped file: its storages lie there, but for those that others than PyTorch
    packed, whose elements are compressed or not where a processor can read them."""

    def __init__(self, path):
        from mmap import MAP_SHARED, mmap

        flags = _options["mmap"]
        self.shared = flags == MAP_SHARED
        with open(path, "r+b" if self.shared else "rb") as file:
            super().__init__(mmap(file.fileno(), 0, flags=flags))

    def storage(self, name):
        place, packed, size, method = self.entries[name]
        if method != 0 or size == 0 or place % _WIDEST:
            if self.shared and size:
                raise RuntimeError(
                    f"'{name}' cannot be mapped to be written (MAP_SHARED): in this file it is "
                    f"compressed, or begins at no multiple of {_WIDEST} bytes"
                )
            return super().storage(name)
        over = _C.frombuffer(self.content, dtype=_C.uint8, count=size, offset=place)
        return over.untyped_storage()


def _unpacked(content, size):
    """What an entry holds that someone has compressed."""
    import zlib

    machine = zlib.decompressobj(-15)
    try:
        found = machine.decompress(content, size + 1)
    except zlib.error as error:
        raise RuntimeError(f"an entry of the archive is damaged: {error}") from None
    if len(found) != size:
        raise RuntimeError("an entry of the archive has another size than its directory says")
    return found


def _from_archive(archive, options):
    """The object in an archive."""
    tops = [name[: -len("data.pkl")] for name in archive.entries if name.endswith("/data.pkl")]
    top = min(tops, key=len, default=None)
    if top is None:
        raise RuntimeError("PytorchStreamReader failed locating file data.pkl: file not found")
    if top + "constants.pkl" in archive.entries:
        raise RuntimeError(
            "this is a TorchScript archive, a program; save the state_dict() of its module"
        )
    swapped = _is_swapped(archive, top + "byteorder")
    known = {}

    def persistent_load(saved_id):
        kind, key, location, count = _storage_id(saved_id, 5)
        dtype = getattr(kind, "dtype", None) or _C.uint8
        if key not in known:
            name, size = f"{top}data/{key}", count * dtype.itemsize
            if name not in archive.entries:
                raise UnpicklingError(f"the archive has no storage {key!r}")
            if archive.entries[name][2] != size:
                raise UnpicklingError(
                    f"storage {key!r} should have {size} bytes, but the archive has "
                    f"{archive.entries[name][2]}"
                )
            untyped = archive.storage(name)
            if swapped:
                untyped.byteswap(dtype)
            known[key] = storage.TypedStorage(
                wrap_storage=options.place(untyped, location), dtype=dtype, _internal=True
            )
        return known[key]

    return options.unpickle(archive.read(top + "data.pkl"), 0, persistent_load)[0]


def _is_swapped(archive, name):
    if name in archive.entries:
        order = archive.read(name).decode(errors="replace")
        if order not in ("little", "big"):
            raise ValueError("Unknown endianness type: " + order[:40])
    else:
        chosen = _options["endianness"]
        order = sys.byteorder if chosen is None else chosen.name.lower()
    return order not in (sys.byteorder, "native")


def _storage_id(saved_id, most):
    """(type, key, location, count) of a persistent id, checked."""
    sound = type(saved_id) is tuple and 5 <= len(saved_id) <= most and saved_id[0] == "storage"
    if not sound:
        raise UnpicklingError("a persistent id that stands for no storage")
    _, kind, key, location, count = saved_id[:5]
    known = kind is storage.UntypedStorage or any(
        kind is known for known in storage._TYPES.values()
    )
    if not known or type(key) is not str or type(location) is not str:
        raise UnpicklingError("a persistent id that stands for no storage")
    if type(count) is not int or not 0 <= count < 1 << 59:
        raise UnpicklingError("a storage of an impossible size")
    return kind, key, location, count


# ---- the old format


def _from_pickles(content, at, options):
    """The object in a file of the old format, and where the file ends."""
    plain = _Loading(None, None, True, {})
    magic, at = plain.unpickle(content, at, None)
    if magic != _MAGIC or type(magic) is not int:
        raise RuntimeError("Invalid magic number; corrupt file?")
    version, at = plain.unpickle(content, at, None)
    if version != _VERSION:
        raise RuntimeError(f"Invalid protocol version: {version}")
    _, at = plain.unpickle(content, at, None)
    known, budget = {}, len(content)

    def persistent_load(saved_id):
        nonlocal budget
        if type(saved_id) is tuple and saved_id[:1] == ("module",) and not options.weights_only:
            return saved_id[1]
        kind, key, location, count = _storage_id(saved_id, 6)
        dtype = getattr(kind, "dtype", None) or _C.uint8
        if key not in known:
            budget -= count * dtype.itemsize
            if budget < 0:
                raise UnpicklingError("the storages are larger than the file")
            known[key] = storage.TypedStorage(
                wrap_storage=options.place(
                    storage.UntypedStorage(count * dtype.itemsize), location
                ),
                dtype=dtype,
                _internal=True,
            )
        if saved_id[5:] not in ((), (None,)):
            raise UnpicklingError("views of storages, which PyTorch 0.3 wrote, are not read")
        return known[key]

    found, at = options.unpickle(content, at, persistent_load)
    keys, at = plain.unpickle(content, at, None)
    if type(keys) is not list or any(type(key) is not str or key not in known for key in keys):
        raise RuntimeError("the file's list of storages is damaged")
    if len(keys) != len(set(keys)) or len(keys) != len(known):
        raise RuntimeError("the file's list of storages is damaged")
    for key in keys:
        at = _fill(known[key], content, at)
    return found, at


def _fill(typed, content, at):
    """Copies a storage's elements out of a file; where they end there."""
    size = typed.nbytes()
    if len(content) - at < 8 + size:
        raise RuntimeError("the file is cut short")
    if struct.unpack_from("<q", content, at)[0] != len(typed):
        raise RuntimeError("storage has wrong byte size")
    if size:
        memoryview(typed.untyped()._elements())[:] = memoryview(content)[at + 8 : at + 8 + size]
    return at + 8 + size


def get_unsafe_globals_in_checkpoint(f):
    """The names in a file that load(weights_only=True) would refuse (source:
    torch.serialization.get_unsafe_globals_in_checkpoint)."""
    import pickletools

    content = f.read() if hasattr(f, "read") else open(f, "rb").read()
    archive = _InMemory(content)
    (name,) = [name for name in archive.entries if name.endswith("/data.pkl")]
    known = _weights_only_unpickler.Unpickler(b"")
    names = []
    for operation, argument, _ in pickletools.genops(archive.read(name)):
        if operation.name == "GLOBAL":
            try:
                known.name(*argument.split(" "))
            except UnpicklingError:
                names.append(argument.replace(" ", "."))
    return sorted(set(names))
