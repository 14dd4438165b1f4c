"""Modules that hold modules or parameters (source: torch.nn.modules.container)."""
from __future__ import annotations

from _collections import OrderedDict
from collections.abc import Iterable, Mapping
from operator import index as _index

from flambeau import _advice
from flambeau._C import Tensor
from flambeau._hint import speaks_chinese
from flambeau.nn.modules.module import Module, _addindent
from flambeau.nn.parameter import Parameter

TYPE_CHECKING = False  # a type checker reads what follows; no program does
if TYPE_CHECKING:
    from typing import Any

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


def _position(index, size):
    """A position in range from one that may count from the end."""
    index = _index(index)
    if not -size <= index < size:
        raise IndexError(f"index {index} is out of range")
    return index % size


class _Numbered(Module):
    """What Sequential and ModuleList share: children in order, named by their numbers unless named
    otherwise."""

    def __len__(self):
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules.values())

    def _key(self, index):
        return list(self._modules)[_position(index, len(self))]

    def __setitem__(self, index, module):
        setattr(self, self._key(index), module)

    def __delitem__(self, index):
        keys = list(self._modules)[index] if isinstance(index, slice) else [self._key(index)]
        for key in keys:
            delattr(self, key)
        self._modules = OrderedDict(zip(map(str, range(len(self))), self._modules.values()))

    def _shift(self, index, module):
        for i in range(len(self), index, -1):
            self._modules[str(i)] = self._modules[str(i - 1)]
        self._modules[str(index)] = module

    def append(self, module):
        """Adds a module at the end. Returns self."""
        self.add_module(str(len(self)), module)
        return self

    def pop(self, key):
        """Takes a module out and returns it."""
        module = self[key]
        del self[key]
        return module

    def __dir__(self):
        return [name for name in super().__dir__() if not name.isdigit()]


class Sequential(_Numbered):
    """Modules called one after the other; from modules, or from one OrderedDict of named ones."""

    def __init__(self, *args: Module | Mapping[str, Module]):
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for number, module in enumerate(args):
                self.add_module(str(number), module)
            if len(args) > 1 and args[0] is args[1]:
                _advise_of_repeated(self)

    def forward(self, input):
        for module in self._modules.values():
            input = module(input)
        return input

    def __getitem__(self, index) -> Any:
        if isinstance(index, slice):
            return type(self)(OrderedDict(list(self._modules.items())[index]))
        return self._modules[self._key(index)]

    def __add__(self, other):
        _check_sequential(other)
        return Sequential(*self, *other)

    def __iadd__(self, other):
        _check_sequential(other)
        return self.extend(list(other))

    def __mul__(self, times):
        _check_times(self, times)
        return Sequential(*list(self) * times)

    __rmul__ = __mul__

    def __imul__(self, times):
        _check_times(self, times)
        return self.extend(list(self) * (times - 1))

    def insert(self, index, module):
        """Puts a module before the one at index. Returns self."""
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {_shown(Module)}")
        size = len(self)
        if not -size <= index <= size:
            raise IndexError(f"Index out of range: {index}")
        self._shift(index + size if index < 0 else index, module)
        return self

    def extend(self, sequential):
        """Adds modules at the end. Returns self."""
        for module in sequential:
            self.append(module)
        return self


def _advise_of_repeated(layers):
    """Advises on [layer] * n: n times the same layer."""
    layer = layers[-1]
    if any(other is not layer for other in layers) or not any(
        p.requires_grad for p in layer.parameters()
    ):
        return
    kind, count = type(layer).__name__, len(layers)
    _advice.warn(
        "layer_repeated",
        f"这 {count} 层是同一个 {kind}：[layer] * n 只重复引用，各层共用一份参数。\n"
        f"提示：请分别建立：[nn.{kind}(...) for _ in range({count})]。"
        if speaks_chinese()
        else f"These {count} layers are one and the same {kind}: [layer] * n repeats a reference, and "
        "all of them share their parameters.\n"
        f"hint: make each by itself: [nn.{kind}(...) for _ in range({count})].",
    )


def _check_sequential(other):
    if not isinstance(other, Sequential):
        raise ValueError(
            f"add operator supports only objects of Sequential class, but {type(other)} is given."
        )


def _shown(kind):
    """A class as PyTorch's programs know it."""
    return repr(kind).replace("flambeau.", "torch.", 1)


def _check_times(self, times):
    if not isinstance(times, int):
        raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(times)}")
    if times <= 0:
        raise ValueError(f"Non-positive multiplication factor {times} for {_shown(type(self))}")


class ModuleList(_Numbered):
    """A list of modules."""

    def __init__(self, modules: Iterable[Module] | None = None):
        super().__init__()
        if modules is not None:
            self += modules

    def _key(self, index):
        return str(_position(index, len(self)))

    def __getitem__(self, index) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self._modules.values())[index])
        return self._modules[self._key(index)]

    def __iadd__(self, modules):
        return self.extend(modules)

    def __add__(self, other):
        return ModuleList([*self, *other])

    def insert(self, index, module):
        """Puts a module before the one at index."""
        self._shift(index, module)

    def extend(self, modules):
        """Adds modules at the end. Returns self."""
        if not hasattr(modules, "__iter__"):
            raise TypeError(
                "ModuleList.extend should be called with an iterable, but got"
                f" {type(modules).__name__}"
            )
        offset = len(self)
        for number, module in enumerate(modules, offset):
            self.add_module(str(number), module)
        if isinstance(modules, list) and len(modules) > 1 and modules[0] is modules[1]:
            _advise_of_repeated(self)
        return self

    def __repr__(self):
        runs = []  # [first, last, repr]: equal neighbours are written once
        for number, module in enumerate(self):
            text = repr(module)
            if runs and runs[-1][2] == text:
                runs[-1][1] = number
            else:
                runs.append([number, number, text])
        if not runs:
            return self._get_name() + "()"
        lines = [
            (
                f"({first}): {text}"
                if first == last
                else f"({first}-{last}): {last - first + 1} x {text}"
            )
            for first, last, text in runs
        ]
        return (
            self._get_name() + "(\n  " + "\n  ".join(_addindent(line, 2) for line in lines) + "\n)"
        )


def _pairs(what, given, sort=False):
    """The (key, value) pairs of a mapping or of an iterable of pairs."""
    if not hasattr(given, "__iter__"):
        raise TypeError(
            f"{what}s.update should be called with an iterable of key/value pairs, but got "
            f"{type(given).__name__}"
            if what == "Parameter"
            else (
                f"{what}.update should be called with an iterable of key/value pairs, but got "
                f"{type(given).__name__}"
            )
        )
    if hasattr(given, "items"):
        return sorted(given.items()) if sort else given.items()
    pairs = list(given)
    for number, pair in enumerate(pairs):
        if not hasattr(pair, "__iter__"):
            raise TypeError(
                f"{what} update sequence element #{number} should be Iterable;"
                f" is{type(pair).__name__}"
            )
        if len(pair) != 2:
            raise ValueError(
                f"{what} update sequence element #{number} has length {len(pair)}; 2 is required"
            )
    return pairs


class ModuleDict(Module):
    """A dictionary of modules, in the order in which they were added."""

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None):
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key) -> Any:
        return self._modules[key]

    def __setitem__(self, key, module):
        self.add_module(key, module)

    def __delitem__(self, key):
        del self._modules[key]

    def __len__(self):
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules)

    def __contains__(self, key):
        return key in self._modules

    def clear(self):
        """Takes all modules out."""
        self._modules.clear()

    def pop(self, key):
        """Takes a module out and returns it."""
        return self._modules.pop(key)

    def keys(self):
        """The names."""
        return self._modules.keys()

    def items(self):
        """(name, module) pairs."""
        return self._modules.items()

    def values(self):
        """The modules."""
        return self._modules.values()

    def update(self, modules):
        """Adds the modules of a mapping, or of an iterable of pairs."""
        for key, module in _pairs("ModuleDict", modules):
            self[key] = module


def _as_parameter(value):
    """Tensors become parameters; anything else is kept as it is."""
    return (
        Parameter(value)
        if isinstance(value, Tensor) and not isinstance(value, Parameter)
        else value
    )


def _describe(value, kind):
    """What ParameterList and ParameterDict show of a value."""
    if not isinstance(value, Tensor):
        return f"Object of type: {type(value).__name__}"
    size = "x".join(map(str, value.size()))
    device = f" ({value.device})" if value.device.type == "cuda" else ""
    return (
        f"{'Parameter' if isinstance(value, Parameter) else 'Tensor'} containing: [{kind(value)} of"
        f" size {size}{device}]"
    )


class ParameterList(Module):
    """A list of parameters; other values may be among them."""

    def __init__(self, values=None):
        super().__init__()
        self._size = 0
        if values is not None:
            self += values

    def __len__(self):
        return self._size

    def __iter__(self):
        return iter([self[i] for i in range(len(self))])

    def __getitem__(self, index) -> Any:
        if isinstance(index, slice):
            return type(self)(self[i] for i in range(*index.indices(len(self))))
        return getattr(self, str(_position(index, len(self))))

    def __setitem__(self, index, value):
        setattr(self, str(_position(index, len(self))), _as_parameter(value))

    def __iadd__(self, values):
        return self.extend(values)

    def append(self, value):
        """Adds a value at the end. Returns self."""
        self._size += 1
        self[self._size - 1] = value
        return self

    def extend(self, values):
        """Adds values at the end. Returns self."""
        if not hasattr(values, "__iter__") or isinstance(values, Tensor):
            raise TypeError(
                "ParameterList.extend should be called with an iterable, but got"
                f" {type(values).__name__}"
            )
        for value in values:
            self.append(value)
        return self

    def extra_repr(self):
        return "\n".join(
            f"  ({i}): {_describe(value, lambda t: t.dtype)}" for i, value in enumerate(self)
        )

    def __dir__(self):
        return [name for name in super().__dir__() if not name.isdigit()]

    def __call__(self, *args, **kwargs):
        raise RuntimeError("ParameterList should not be called.")


class ParameterDict(Module):
    """A dictionary of parameters, in the order in which they were added; other values may be among
    them."""

    def __init__(self, parameters=None):
        super().__init__()
        self._keys = {}
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key) -> Any:
        return getattr(self, _string_key(key))

    def __setitem__(self, key, value):
        self._keys[key] = None
        setattr(self, _string_key(key), _as_parameter(value))

    def __delitem__(self, key):
        del self._keys[key]
        delattr(self, _string_key(key))

    def __len__(self):
        return len(self._keys)

    def __iter__(self):
        return iter(self._keys)

    def __reversed__(self):
        return reversed(self._keys)

    def __contains__(self, key):
        return key in self._keys

    def copy(self):
        """A new ParameterDict with the same values."""
        return ParameterDict(OrderedDict(self.items()))

    def setdefault(self, key, default=None):
        """The value of a key, which is set to default first where it is missing."""
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self):
        """Takes all values out."""
        for key in list(self._keys):
            del self[key]

    def pop(self, key):
        """Takes a value out and returns it."""
        value = self[key]
        del self[key]
        return value

    def popitem(self):
        """Takes the last (key, value) out and returns it."""
        key = next(reversed(self._keys))
        return key, self.pop(key)

    def get(self, key, default=None):
        """The value of a key, or default."""
        return self[key] if key in self else default

    def fromkeys(self, keys, default=None):
        """A new ParameterDict with default for every key."""
        return ParameterDict((key, default) for key in keys)

    def keys(self):
        """The keys."""
        return self._keys.keys()

    def items(self):
        """(key, value) pairs."""
        return ((key, self[key]) for key in self._keys)

    def values(self):
        """The values."""
        return (self[key] for key in self._keys)

    def update(self, parameters):
        """Adds the values of a mapping (a plain one sorted by key), or of an iterable of pairs."""
        sort = not isinstance(parameters, (OrderedDict, ParameterDict))
        for key, value in _pairs("ParameterDict", parameters, sort):
            self[key] = value

    def extra_repr(self):
        return "\n".join(
            f"  ({key}): {_describe(value, lambda t: t.type())}" for key, value in self.items()
        )

    def __call__(self, input):
        raise RuntimeError("ParameterDict should not be called.")

    def __or__(self, other):
        joined = self.copy()
        joined.update(other)
        return joined

    def __ror__(self, other):
        joined = other.copy()
        joined.update(self)
        return joined

    def __ior__(self, other):
        self.update(other)
        return self


def _string_key(key):
    if not isinstance(key, str):
        raise TypeError(
            "Index given to ParameterDict cannot be used as a key as it is not a string (type is "
            f"'{type(key).__name__}'). Open an issue on github if you need non-string keys."
        )
    return key
