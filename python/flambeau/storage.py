"""The memory behind tensors, as objects of its own (source: torch.storage).

A storage holds a tensor on that memory (`_over`) and asks it for the bytes anew each time, because
memory may grow. One live object a storage, so that `is` compares untyped ones.
"""

import sys
from copy import deepcopy
from weakref import WeakValueDictionary

from flambeau import _C
from flambeau._legacy import DTYPES

_live = WeakValueDictionary()  # a storage's key -> its UntypedStorage
_warned_of_typed = False


def _untyped(tensor):
    """Tensor.untyped_storage."""
    key = tensor._storage_key()
    found = _live.get(key)
    if found is None:
        found = _live[key] = object.__new__(UntypedStorage)
        found._over = tensor.detach()._storage_bytes()
    return found


def _typed(tensor):
    """Tensor.storage."""
    _warn_of_typed(3)
    return _typed_over(tensor)


def _typed_over(tensor):
    return TypedStorage(wrap_storage=_untyped(tensor), dtype=tensor.dtype, _internal=True)


def _warn_of_typed(stacklevel):
    """PyTorch's warning, the first time that a program asks for a typed storage."""
    global _warned_of_typed
    if _warned_of_typed:
        return
    _warned_of_typed = True
    import warnings

    warnings.warn(
        "TypedStorage is deprecated. It will be removed in the future and UntypedStorage will be "
        "the only storage class. This should only matter to you if you are using storages "
        "directly.  To access UntypedStorage directly, use tensor.untyped_storage() instead of "
        "tensor.storage()",
        UserWarning,
        stacklevel=stacklevel,
    )


def _type_of(tensor):
    """Tensor.storage_type."""
    return _TYPES[tensor.dtype]


class _Common:
    """What both kinds do alike: everything but what an element is."""

    is_cuda = is_hpu = is_sparse = is_sparse_csr = False

    @property
    def device(self):
        """Where the bytes are."""
        return self._over.device

    def nbytes(self):
        """How many bytes it holds."""
        return self._over._storage_bytes().numel()

    def data_ptr(self):
        """The address of the first byte."""
        return self._over._storage_bytes().data_ptr()

    def size(self):
        """How many elements it holds (an untyped one: bytes)."""
        return len(self)

    def tolist(self):
        """The elements as a list of numbers."""
        return self._elements().tolist()

    def __len__(self):
        return self._elements().numel()

    def __iter__(self):
        return iter(self.tolist())

    def _place(self, index):
        """An int index, counted from the first element."""
        size = len(self)
        if not -size <= index < size:
            raise IndexError(f"index {index} out of range for storage of size {size}")
        return index % size

    def fill_(self, value):
        """Sets every element."""
        self._elements().fill_(value)
        return self

    def is_shared(self):
        return self._over.is_shared()

    def share_memory_(self):
        """Moves it to memory that processes share, as far as tensors do."""
        self._over.share_memory_()
        return self

    def is_pinned(self, device="cuda"):
        return False

    def get_device(self):
        return self._over.get_device()

    def cpu(self):
        """Itself, or a copy on the CPU."""
        return self.to(device="cpu")

    def cuda(self, device=None, non_blocking=False):
        raise AssertionError("Torch not compiled with CUDA enabled")

    def to(self, *, device, non_blocking=False):
        """Itself, or a copy on that device."""
        elements = self._elements()
        moved = elements.to(device)
        if moved is elements:
            return self
        untyped = moved.untyped_storage()
        return untyped if self.untyped() is self else _typed_over(moved)

    def __repr__(self):
        shown = self.tolist()
        lines = [f" {item}" for item in shown[:1000]]
        if len(shown) > 1000:
            lines = lines[:500] + [" ..."] + [f" {item}" for item in shown[-500:]]
        return "\n".join([*(lines or [" "]), f"[torch.storage.{self._title()} of size {len(self)}]"])

    def __copy__(self):
        return self.clone()

    @property
    def _cdata(self):
        return self._over._storage_key()

    def __sizeof__(self):
        return object.__sizeof__(self) + self.nbytes()


class UntypedStorage(_Common):
    """Bytes: UntypedStorage(size), UntypedStorage(sequence of bytes) (source:
    torch.UntypedStorage)."""

    filename = None

    def __new__(cls, *args, device=None):
        if len(args) > 1:
            raise TypeError("UntypedStorage() takes at most one size or sequence")
        if device is not None:
            _C.empty([0], device=device)
        return _C._construct(_C.uint8, args or (0,), {}).untyped_storage()

    @staticmethod
    def from_file(filename, shared=False, nbytes=0):
        """The first nbytes of a file, mapped: pages are read when touched. Writes go to the file if
        shared, which is then made or lengthened as needed; else they stay in memory. RuntimeError
        for a file that cannot be opened or, not shared, is shorter."""
        import mmap
        import os

        if nbytes == 0:
            return UntypedStorage(0)
        name, flags = os.fspath(filename), os.O_RDWR | os.O_CREAT if shared else os.O_RDONLY
        try:
            file = os.open(name, flags, 0o600)
        except OSError as error:
            raise RuntimeError(
                f"unable to open file <{name}> in read-{'write' if shared else 'only'} mode: "
                f"{error.strerror} ({error.errno})"
            ) from None
        try:
            size = os.fstat(file).st_size
            if size < nbytes:
                if not shared:
                    raise RuntimeError(
                        f"file <{name}> size <{size}> is smaller than the required mapping size "
                        f"<{nbytes}>"
                    )
                os.ftruncate(file, nbytes)
            access = mmap.ACCESS_WRITE if shared else mmap.ACCESS_COPY
            mapped = mmap.mmap(file, nbytes, access=access)
        finally:
            os.close(file)
        storage = _C.frombuffer(mapped, dtype=_C.uint8).untyped_storage()
        storage.filename = name
        return storage

    def _elements(self):
        return self._over._storage_bytes()

    def _title(self):
        return f"UntypedStorage(device={self.device})"

    def untyped(self):
        return self

    def element_size(self):
        return 1

    def resizable(self):
        return True

    def __reduce__(self):
        if self.device.type == "cpu":
            return _rebuild_untyped, (bytes(self._elements()),)
        return _rebuild_untyped, (bytes(self._elements().cpu()), str(self.device))

    def __deepcopy__(self, memo):
        copies = memo.setdefault("torch", {})
        if self._cdata not in copies:
            copies[self._cdata] = self.clone()
        return copies[self._cdata]

    def new(self):
        """An empty one."""
        return UntypedStorage(0)

    def clone(self):
        """A copy."""
        return self._elements().clone().untyped_storage()

    def copy_(self, source, non_blocking=None):
        """Takes the bytes of a storage of the same size."""
        self._elements().copy_(source.untyped()._elements())
        return self

    def type(self, dtype=None, non_blocking=False):
        return "torch.storage.UntypedStorage" if dtype is None else self._converted(dtype)

    def __getitem__(self, index):
        if isinstance(index, slice):
            if index.step not in (None, 1):
                raise RuntimeError(
                    f"Trying to slice with a step of {index.step}, but only a step of 1 is "
                    "supported"
                )
            return self._elements()[index].clone().untyped_storage()
        return self._elements()[self._place(index)].item()

    def __setitem__(self, index, value):
        self._elements()[index if isinstance(index, slice) else self._place(index)] = value

    @staticmethod
    def from_buffer(buffer, byte_order="native", *, count=-1, offset=0, dtype=None):
        """A copy of the bytes of a buffer."""
        chosen = bytes(memoryview(buffer).cast("B")[offset:])
        if count >= 0:
            chosen = chosen[: count * (dtype.itemsize if dtype is not None else 1)]
        if byte_order not in ("native", sys.byteorder) and dtype is not None:
            size = dtype.itemsize
            chosen = b"".join(
                chosen[i : i + size][::-1] for i in range(0, len(chosen) - size + 1, size)
            )
        return _C.frombuffer(bytearray(chosen), dtype=_C.uint8).clone().untyped_storage() if chosen else UntypedStorage(0)

    def byteswap(self, dtype):
        """Turns the bytes of each element of that dtype around."""
        if dtype.itemsize > 1:
            rows = self._elements().view(-1, dtype.itemsize)
            rows.copy_(rows.flip(1))

    def resize_(self, size):
        """Grows the memory to `size` bytes. NotImplementedError for fewer than it has."""
        raise NotImplementedError("Flambeau's storages cannot be resized: make a new tensor")

    def _converted(self, dtype):
        return TypedStorage(self.tolist(), dtype=dtype, _internal=True)


class TypedStorage(_Common):
    """Memory as elements of one dtype (source: torch.TypedStorage): TypedStorage(size, dtype=...),
    TypedStorage(sequence, dtype=...), TypedStorage(wrap_storage=untyped, dtype=...)."""

    dtype = None

    def __init__(self, *args, wrap_storage=None, dtype=None, device=None, _internal=False):
        if not _internal:
            _warn_of_typed(3)
        self.dtype = dtype or self.dtype or _C.get_default_dtype()
        if device is not None:
            _C.empty([0], device=device)
        if wrap_storage is not None:
            if args:
                raise RuntimeError("No positional arguments should be given when using wrap_storage")
            if not isinstance(wrap_storage, UntypedStorage):
                raise TypeError(
                    "Argument 'wrap_storage' must be UntypedStorage, but got "
                    f"{type(wrap_storage)}"
                )
            self._untyped_storage = wrap_storage
        else:
            if len(args) > 1:
                raise RuntimeError("Too many positional arguments: one size or sequence is needed")
            made = _C._construct(self.dtype, args or (0,), {})
            self._untyped_storage = made.untyped_storage()

    @property
    def _over(self):
        return self._untyped_storage._over

    def _elements(self):
        return _C.empty([0], device=self.device).to(self.dtype).set_(self)

    def _title(self):
        return f"TypedStorage(dtype={self.dtype}, device={self.device})"

    def untyped(self):
        return self._untyped_storage

    def element_size(self):
        return self.dtype.itemsize

    def clone(self):
        """A copy."""
        return _typed_over(self._elements().clone())

    def copy_(self, source, non_blocking=None):
        """Takes the elements of a storage, converted to this dtype."""
        self._elements().copy_(source._elements())
        return self

    def type(self, dtype=None, non_blocking=False):
        """The name of its type, or a copy of another type."""
        if dtype is None:
            return f"torch.{self.pickle_storage_type()}"
        named = {f"torch.{kind.__name__}": kind for kind in _TYPES.values()}
        return self._as(named.get(dtype, dtype).dtype)

    def pickle_storage_type(self):
        """The name of its type, without the module."""
        return _TYPES[self.dtype].__name__

    def resizable(self):
        return True

    def resize_(self, size):
        self._untyped_storage.resize_(size * self.element_size())

    def _as(self, dtype):
        return self if dtype is self.dtype else _typed_over(self._elements().to(dtype))

    def __getitem__(self, index):
        if isinstance(index, slice):
            raise RuntimeError("slices are only supported in UntypedStorage.__getitem__")
        return self._elements()[self._place(index)].item()

    def __setitem__(self, index, value):
        if isinstance(value, TypedStorage):
            value = value._elements()
        self._elements()[index if isinstance(index, slice) else self._place(index)] = value

    def __eq__(self, other):
        return (
            isinstance(other, TypedStorage)
            and other.dtype is self.dtype
            and other._cdata == self._cdata
        )

    def __hash__(self):
        return hash((self._cdata, self.dtype))

    def __reduce__(self):
        return _rebuild_typed, (self._untyped_storage, self.dtype)

    def __deepcopy__(self, memo):
        return _rebuild_typed(deepcopy(self._untyped_storage, memo), self.dtype)

    @classmethod
    def from_buffer(cls, buffer, byte_order="native", *, count=-1, offset=0, dtype=None):
        """A copy of the elements in a buffer."""
        dtype = dtype or cls.dtype
        return TypedStorage(
            wrap_storage=UntypedStorage.from_buffer(
                buffer, byte_order, count=count, offset=offset, dtype=dtype
            ),
            dtype=dtype,
        )


def _rebuild_untyped(content, device="cpu"):
    storage = UntypedStorage.from_buffer(content)
    return storage if device == "cpu" else storage._elements().to(device).untyped_storage()


def _rebuild_typed(storage, dtype):
    return TypedStorage(wrap_storage=storage, dtype=dtype, _internal=True)


class _StorageType(type):
    """The type of FloatStorage and its like: an instance is a TypedStorage of its dtype."""

    def __instancecheck__(cls, obj):
        return isinstance(obj, TypedStorage) and obj.dtype is cls.dtype


def _new(cls, *args, wrap_storage=None):
    return TypedStorage(*args, wrap_storage=wrap_storage, dtype=cls.dtype)


def _from_buffer(cls, buffer, byte_order="native", **options):
    return TypedStorage.from_buffer(buffer, byte_order, dtype=cls.dtype, **options)


_DTYPES = {**DTYPES, "ComplexFloat": _C.complex64, "ComplexDouble": _C.complex128}
_TYPES = {
    dtype: _StorageType(
        name + "Storage",
        (),
        {
            "__module__": "flambeau",
            "__doc__": f"Storages of dtype {dtype}.",
            "__new__": _new,
            "from_buffer": classmethod(_from_buffer),
            "dtype": dtype,
        },
    )
    for name, dtype in _DTYPES.items()
}
globals().update({kind.__name__: kind for kind in _TYPES.values()})


def _converter(dtype):
    def convert(self):
        return self._as(dtype) if isinstance(self, TypedStorage) else self._converted(dtype)

    convert.__doc__ = f"As {dtype}."
    return convert


for _name, _dtype in DTYPES.items():
    setattr(_Common, _name.lower(), _converter(_dtype))


def from_file(filename, shared=None, size=0, *, dtype=None, layout=None, device=None,
              pin_memory=False, requires_grad=False):
    """A tensor of `size` elements on a mapped file, see UntypedStorage.from_file (source:
    torch.from_file)."""
    dtype = _C.get_default_dtype() if dtype is None else dtype
    storage = UntypedStorage.from_file(filename, bool(shared), size * dtype.itemsize)
    tensor = _C.empty([0], dtype=dtype).set_(storage, 0, (size,), (1,))
    return tensor.requires_grad_(requires_grad)
