"""Reads pickles without executing anything from them (source: torch._weights_only_unpickler).

A pickle is a program for a stack machine, whose instructions import names and call what they name.
This machine knows the names below and calls its own checked functions for them; it changes only
lists, dicts and sets that it made itself. Any other name is refused, and named, unless the user
trusts it (torch.serialization.add_safe_globals).

What a file can make it do is bounded by the file's size: a call copies no more elements in all than
the pickle has bytes, and a dict takes few keys of one hash.
"""

import struct
from collections import Counter, OrderedDict
from pickle import UnpicklingError

from flambeau import _C, _tensor, _utils, storage
from flambeau._pickled_names import torch_name
from flambeau.nn.parameter import Parameter

_MOST_OF_ONE_HASH = 100
_MOST_NESTED = 100

_trusted = []  # objects, or (object, name) pairs, of add_safe_globals


# ---- names -----------------------------------------------------------------------------------


def _is(value, kind, what):
    if not isinstance(value, kind):
        raise UnpicklingError(f"{what} is expected, not {type(value).__name__}")
    return value


def _ints(value):
    if not all(type(item) is int for item in _is(value, tuple, "a tuple of ints")):
        raise UnpicklingError("a tuple of ints is expected")
    return value


def _device(kind, index=None):
    return _C.device(_is(kind, str, "a device's name"), *(() if index is None else (index,)))


def _typed(given):
    return _is(given, storage.TypedStorage, "a storage")


def _untyped(given):
    return _is(given, (storage.UntypedStorage, storage.TypedStorage), "a storage")


def _tensor_v1(given, offset, size, stride):
    return _utils._rebuild_tensor(_typed(given), offset, _ints(size), _ints(stride))


def _metadata(given):
    return None if given is None else _is(given, dict, "a dict")


def _tensor_v2(given, offset, size, stride, requires_grad, hooks, metadata=None):
    made = _utils._with_metadata(_tensor_v1(given, offset, size, stride), _metadata(metadata))
    return made.requires_grad_(_is(requires_grad, bool, "a bool"))


def _tensor_v3(given, offset, size, stride, requires_grad, hooks, dtype, metadata=None):
    _ints(size), _ints(stride), _is(requires_grad, bool, "a bool"), _is(dtype, _C.dtype, "a dtype")
    return _utils._rebuild_tensor_v3(
        _untyped(given), offset, size, stride, requires_grad, hooks, dtype, _metadata(metadata)
    )


def _parameter(data, requires_grad, hooks=None):
    return Parameter(_is(data, _C.Tensor, "a tensor"), _is(requires_grad, bool, "a bool"))


def _parameter_with_state(data, requires_grad, hooks, state):
    made = _parameter(data, requires_grad)
    _put_attributes(made, state)
    return made


def _layout(name):
    if name not in ("torch.strided", "torch.sparse_coo", "torch.sparse_csr"):
        raise UnpicklingError(f"Flambeau has no layout {name!r}")
    return getattr(_C, name[6:])


def _sparse(layout, data):
    for part in _is(data, tuple, "the parts of a sparse tensor")[:-2]:
        _is(part, _C.Tensor, "a tensor")
    try:
        return _utils._rebuild_sparse_tensor(layout, data)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise UnpicklingError(f"not a sparse tensor: {error}") from error


def _encode(text, encoding="latin1"):
    if encoding not in ("latin1", "latin-1", "utf-8", "utf8"):
        raise UnpicklingError(f"bytes in the encoding {encoding!r} are not read")
    return _is(text, str, "a text").encode(encoding)


def _meta(dtype, size, stride, requires_grad):
    return _C.empty_strided(
        _ints(size),
        _ints(stride),
        dtype=_is(dtype, _C.dtype, "a dtype"),
        device="meta",
        requires_grad=_is(requires_grad, bool, "a bool"),
    )


def _bytearray(content=b"", encoding="latin1"):
    return bytearray(_encode(content, encoding) if isinstance(content, str) else
                     _is(content, (bytes, list), "bytes"))


def _complex(real=0, imag=0):
    return complex(_is(real, (int, float), "a number"), _is(imag, (int, float), "a number"))


# Name in a file -> (what stands for it as a value, the function that a call of it calls).
_CALLS = {
    "torch._utils._rebuild_tensor": _tensor_v1,
    "torch._utils._rebuild_tensor_v2": _tensor_v2,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_sparse_tensor": _sparse,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_meta_tensor_no_storage": _meta,
    "torch._utils._rebuild_parameter_with_state": _parameter_with_state,
    "torch.serialization._get_layout": _layout,
    "torch.Size": lambda sizes=(): _C.Size(_ints(sizes)),
    "torch.device": _device,
    "torch.nn.parameter.Parameter": _parameter,
    "_codecs.encode": _encode,
    "builtins.bytearray": _bytearray,
    "builtins.complex": _complex,
}
_VALUES = {
    **{f"torch.{name}": getattr(_C, name) for name in dir(_C)
       if isinstance(getattr(_C, name), _C.dtype)},
    **{f"torch.{kind.__name__}": kind for kind in storage._TYPES.values()},
    "torch.storage.UntypedStorage": storage.UntypedStorage,
    "torch.UntypedStorage": storage.UntypedStorage,
    "torch.Tensor": _C.Tensor,
}
_RENAMED = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # by Python 3, of Python 2's modules


class _Name:
    """A name that may be called, as it stands on the stack."""

    def __init__(self, name, call):
        self.name, self.call = name, call


def _trusted_names():
    return {
        **{name: kind for kind, name in (e for e in _trusted if isinstance(e, tuple))},
        **{torch_name(kind): kind for kind in _trusted if not isinstance(kind, tuple)},
    }


def _put_attributes(target, state):
    attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    for part in (attributes, slots):
        if part is not None and not all(type(key) is str for key in _is(part, dict, "a dict")):
            raise UnpicklingError("attributes' names are texts")
    target.__dict__.update(attributes or {})
    target.__dict__.update(slots or {})


# ---- the machine -----------------------------------------------------------------------------

_MARK = object()


class _FromOutside(Exception):
    """Carries an exception of persistent_load through the machine."""


class Unpickler:
    """Reads one pickle from `data`, beginning at `at`, which it moves behind it.

    persistent_load: makes the storage that an id stands for. load() raises UnpicklingError for
    what is no sound pickle and for names that are not allowed.
    """

    def __init__(self, data, at=0, persistent_load=None, encoding="utf-8"):
        self.data, self.at = data, at
        self.persistent_load, self.encoding = persistent_load, encoding
        self.names = _trusted_names()
        self.budget = len(data)  # how many elements calls may still copy
        self.hashes = {}  # id of a dict or set -> it, {hash: how many of its keys have it}

    def load(self):
        self.stack, self.memo = [], {}
        begin = self.at
        try:
            while True:
                at = self.at
                code = self.take(1)[0]
                if code == 0x2E:  # STOP
                    (found,) = self.stack
                    if found is _MARK:
                        raise UnpicklingError("the pickle holds nothing")
                    return found
                operation = _OPERATIONS[code]
                if operation is None:
                    raise UnpicklingError(f"Unsupported operand {code} at byte {at - begin}")
                operation(self)
        except (UnpicklingError, MemoryError, RecursionError):
            raise
        except _FromOutside as error:
            raise error.args[0]
        except (LookupError, TypeError, ValueError, OverflowError, AttributeError, RuntimeError,
                struct.error, AssertionError, NotImplementedError) as error:
            raise UnpicklingError(
                f"the pickle is damaged at byte {at - begin}: {error or type(error).__name__}"
            ) from None

    # -- bytes

    def take(self, count):
        begin, self.at = self.at, self.at + count
        if not begin <= self.at <= len(self.data):
            raise UnpicklingError("pickle data was truncated")
        return self.data[begin : self.at]

    def line(self):
        end = self.data.find(b"\n", self.at)
        if end < 0:
            raise UnpicklingError("pickle data was truncated")
        found, self.at = self.data[self.at : end], end + 1
        return found

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    # -- the stack

    def to_mark(self):
        """Takes what stands above the last mark."""
        stack = self.stack
        at = len(stack) - 1
        while stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise UnpicklingError("a mark is missing")
        items = stack[at + 1 :]
        del stack[at:]
        return items

    def spend(self, elements):
        self.budget -= elements
        if self.budget < 0:
            raise UnpicklingError("calls copy more than the file holds")

    def check_key(self, keys, key, nested=0):
        """Refuses keys that would make a dict or set slow: many of one hash, nested without end."""
        kind = type(key)
        if kind is str or kind is bytes or kind is int and -(1 << 60) < key < 1 << 60:
            return
        if kind is tuple:
            if nested == _MOST_NESTED:
                raise UnpicklingError("a key is nested too deeply")
            for item in key:
                if type(item) is tuple:
                    self.check_key(None, item, nested + 1)
        if keys is not None:
            # The dict stays with its counts, so that no other takes its id.
            counts = self.hashes.setdefault(id(keys), (keys, {}))[1]
            code = hash(key)
            counts[code] = count = counts.get(code, 0) + 1
            if count > _MOST_OF_ONE_HASH:
                raise UnpicklingError("too many keys of a dict have the same hash")

    # -- names and calls

    def name(self, module, name):
        full = f"{_RENAMED.get(module, module)}.{name}"
        found = self.names.get(full)
        if found is not None:
            return found
        if full in _VALUES:
            return _VALUES[full]
        if full in _OWN:
            return _OWN[full]
        if module.startswith("torch") and full in _NOT_HERE:
            raise UnpicklingError(f"Flambeau has no {full} yet")
        raise UnpicklingError(
            f"Unsupported global: GLOBAL {full} was not an allowed global by default. Please use "
            f"`torch.serialization.add_safe_globals([{full}])` or the "
            f"`torch.serialization.safe_globals([{full}])` context manager to allowlist this "
            "global if you trust this class/function."
        )

    def call(self, function, args):
        if type(args) is not tuple:
            raise UnpicklingError("a call's arguments are no tuple")
        if type(function) is _Name:
            for item in args:
                if isinstance(item, (str, bytes, list, tuple, dict, set)):
                    self.spend(len(item))
            return function.call(self, *args)
        if not any(function is kind for kind in self.names.values()):
            raise UnpicklingError(f"Trying to call reduce for unrecognized function {function!r}")
        return function(*args)

    def keyed(self, kind, args):
        """An OrderedDict, Counter or set of what a call gives."""
        made = kind()
        for item in _is(args[0], (list, tuple, dict, set), "a list") if args else ():
            if kind is set:
                self.check_key(made, item)
                made.add(item)
            elif isinstance(args[0], dict):
                self.put(made, item, args[0][item])
            else:
                key, value = item
                self.put(made, key, value)
        return made

    def rebuild_from_type(self, function, new_type, args, state):
        """torch._tensor._rebuild_from_type_v2: a tensor with attributes, or of a trusted class."""
        if type(function) is not _Name or not function.name.startswith("torch._utils._rebuild"):
            raise UnpicklingError("a tensor's class is rebuilt from something else than a tensor")
        known = new_type is _C.Tensor or (
            type(new_type) is _Name and new_type.name == "torch.nn.parameter.Parameter"
        )
        if not known and not any(new_type is kind for kind in self.names.values()):
            raise UnpicklingError(f"{new_type!r} is no allowed class of tensors")
        made = self.call(function, args)
        if not known:
            return _tensor._rebuild_from_type_v2(lambda: made, new_type, (), state)
        _put_attributes(made, state)
        return made

    def put(self, target, key, value):
        self.check_key(target, key)
        target[key] = value

    def is_trusted(self, value):
        return any(type(value) is kind for kind in self.names.values())

    def check_dict(self, target):
        if type(target) not in (dict, OrderedDict, Counter) and not self.is_trusted(target):
            raise UnpicklingError(f"items are put in a {type(target).__name__}")
        return target

    # -- instructions

    def op_proto(self):
        if not 0 <= self.take(1)[0] <= 5:
            raise UnpicklingError("unsupported pickle protocol")

    def op_frame(self):
        self.take(8)

    def op_mark(self):
        self.stack.append(_MARK)

    def op_pop(self):
        self.stack.pop()

    def op_pop_mark(self):
        self.to_mark()

    def op_dup(self):
        self.stack.append(self.stack[-1])

    def op_int(self):
        text = self.line()
        self.stack.append(text == b"01" if text in (b"00", b"01") else int(text))

    def op_long(self):
        self.stack.append(int(self.line().rstrip(b"L")))

    def op_long1(self):
        self.stack.append(int.from_bytes(self.take(self.take(1)[0]), "little", signed=True))

    def op_float(self):
        self.stack.append(float(self.line()))

    def op_binget(self, form="<B"):
        self.stack.append(self.memo[self.number(form)])

    def op_long_binget(self):
        self.op_binget("<I")

    def op_binput(self, form="<B"):
        self.memo[self.number(form)] = self.stack[-1]

    def op_long_binput(self):
        self.op_binput("<I")

    def op_get(self):
        self.stack.append(self.memo[int(self.line())])

    def op_put(self):
        self.memo[int(self.line())] = self.stack[-1]

    def op_memoize(self):
        self.memo[len(self.memo)] = self.stack[-1]

    def op_append(self):
        value = self.stack.pop()
        self.extend([value])

    def op_appends(self):
        self.extend(self.to_mark())

    def extend(self, items):
        target = self.stack[-1]
        if type(target) is not list:
            raise UnpicklingError(f"items are appended to a {type(target).__name__}")
        target.extend(items)

    def op_additems(self):
        items, target = self.to_mark(), self.stack[-1]
        for item in items:
            self.check_key(_is(target, set, "a set"), item)
            target.add(item)

    def op_setitem(self):
        value, key = self.stack.pop(), self.stack.pop()
        self.put(self.check_dict(self.stack[-1]), key, value)

    def op_setitems(self):
        items = self.to_mark()
        target = self.check_dict(self.stack[-1])
        for key, value in zip(items[::2], items[1::2], strict=True):
            self.put(target, key, value)

    def op_tuple(self):
        self.stack.append(tuple(self.to_mark()))

    def op_list(self):
        self.stack.append(self.to_mark())

    def op_dict(self):
        items, made = self.to_mark(), {}
        for key, value in zip(items[::2], items[1::2], strict=True):
            self.put(made, key, value)
        self.stack.append(made)

    def few(self, count):
        items = self.stack[-count:]
        if len(items) < count or any(item is _MARK for item in items):
            raise UnpicklingError("the stack is too short")
        del self.stack[-count:]
        self.stack.append(tuple(items))

    def op_tuple1(self):
        self.few(1)

    def op_tuple2(self):
        self.few(2)

    def op_tuple3(self):
        self.few(3)

    def op_global(self):
        module, name = self.line().decode(), self.line().decode()
        self.stack.append(self.name(module, name))

    def op_stack_global(self):
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(self.name(_is(module, str, "a name"), _is(name, str, "a name")))

    def op_reduce(self):
        args, function = self.stack.pop(), self.stack.pop()
        self.stack.append(self.call(function, args))

    def op_newobj(self):
        args, kind = self.stack.pop(), self.stack.pop()
        if type(kind) is _Name:
            self.stack.append(self.call(kind, args))
        elif any(kind is known for known in self.names.values()):
            self.stack.append(kind.__new__(kind, *args))
        else:
            raise UnpicklingError(f"Trying to create new object for unrecognized class {kind!r}")

    def op_build(self):
        state, target = self.stack.pop(), self.stack[-1]
        if self.is_trusted(target):
            if hasattr(target, "__setstate__"):
                target.__setstate__(state)
            else:
                _put_attributes(target, state)
        elif type(target) in (OrderedDict, Counter):
            _put_attributes(target, state)
        else:
            raise UnpicklingError(
                "Can only build Tensor, Parameter, OrderedDict or types allowlisted via "
                f"`add_safe_globals`, but got {type(target)}"
            )

    def op_binpersid(self):
        if self.persistent_load is None:
            raise UnpicklingError("a persistent id, where none is expected")
        saved_id = self.stack.pop()
        try:
            self.stack.append(self.persistent_load(saved_id))
        except UnpicklingError:
            raise
        except Exception as error:  # of map_location, of the file: not the pickle's
            raise _FromOutside(error) from None


def _constant(make):
    return lambda machine: machine.stack.append(make())


def _struct(form):
    return lambda machine: machine.stack.append(machine.number(form))


def _text(form, as_bytes=False, legacy=False):
    """An instruction whose argument is a length and as many bytes."""

    def operation(machine):
        content = machine.take(machine.number(form))
        if legacy and machine.encoding != "bytes":
            content = content.decode(machine.encoding)
        elif not as_bytes and not legacy:
            content = content.decode("utf-8", "surrogatepass")
        machine.stack.append(content)

    return operation


_OPERATIONS = [None] * 256
for _code, _operation in {
    0x80: Unpickler.op_proto,
    0x95: Unpickler.op_frame,
    "(": Unpickler.op_mark,
    "0": Unpickler.op_pop,
    "1": Unpickler.op_pop_mark,
    "2": Unpickler.op_dup,
    "N": _constant(lambda: None),
    0x88: _constant(lambda: True),
    0x89: _constant(lambda: False),
    "I": Unpickler.op_int,
    "L": Unpickler.op_long,
    0x8A: Unpickler.op_long1,
    "J": _struct("<i"),
    "K": _struct("<B"),
    "M": _struct("<H"),
    "F": Unpickler.op_float,
    "G": _struct(">d"),
    "X": _text("<I"),
    0x8C: _text("<B"),
    0x8D: _text("<Q"),
    "U": _text("<B", legacy=True),
    "T": _text("<i", legacy=True),
    "C": _text("<B", as_bytes=True),
    "B": _text("<I", as_bytes=True),
    0x8E: _text("<Q", as_bytes=True),
    "h": Unpickler.op_binget,
    "j": Unpickler.op_long_binget,
    "g": Unpickler.op_get,
    "q": Unpickler.op_binput,
    "r": Unpickler.op_long_binput,
    "p": Unpickler.op_put,
    0x94: Unpickler.op_memoize,
    "]": _constant(list),
    "l": Unpickler.op_list,
    "a": Unpickler.op_append,
    "e": Unpickler.op_appends,
    "}": _constant(dict),
    "d": Unpickler.op_dict,
    "s": Unpickler.op_setitem,
    "u": Unpickler.op_setitems,
    0x8F: _constant(set),
    0x90: Unpickler.op_additems,
    ")": _constant(tuple),
    "t": Unpickler.op_tuple,
    0x85: Unpickler.op_tuple1,
    0x86: Unpickler.op_tuple2,
    0x87: Unpickler.op_tuple3,
    "c": Unpickler.op_global,
    0x93: Unpickler.op_stack_global,
    "R": Unpickler.op_reduce,
    0x81: Unpickler.op_newobj,
    "b": Unpickler.op_build,
    "Q": Unpickler.op_binpersid,
}.items():
    _OPERATIONS[ord(_code) if isinstance(_code, str) else _code] = _operation

_OWN = {
    name: _Name(name, lambda machine, *args, _call=call: _call(*args))
    for name, call in _CALLS.items()
}
for _kind, _full in (
    (OrderedDict, "collections.OrderedDict"),
    (Counter, "collections.Counter"),
    (set, "builtins.set"),
):
    _OWN[_full] = _Name(_full, lambda machine, *args, _kind=_kind: machine.keyed(_kind, args))
_OWN["torch._tensor._rebuild_from_type_v2"] = _Name(
    "torch._tensor._rebuild_from_type_v2", Unpickler.rebuild_from_type
)

# What PyTorch's files may hold and Flambeau's tensors cannot be.
_NOT_HERE = frozenset(
    [
        f"torch._utils.{name}"
        for name in (
            "_rebuild_sparse_csr_tensor _rebuild_nested_tensor "
            "_rebuild_qtensor _rebuild_wrapper_subclass "
            "_rebuild_device_tensor_from_numpy _rebuild_device_tensor_from_cpu_tensor"
        ).split()
    ]
    + [
        f"torch.{name}"
        for name in (
            "complex32 qint8 quint8 qint32 quint4x2 quint2x4 float4_e2m1fn_x2 "
            "QInt8Storage QUInt8Storage QInt32Storage QUInt4x2Storage QUInt2x4Storage"
        ).split()
    ]
)
