"""What stands for a value while a function is traced (source: torch.fx.Proxy)."""

import dis
import inspect
import operator



class TraceError(ValueError):
    """What cannot be traced."""


class Proxy:
    """The result of a step: what is done to it becomes further steps."""

    def __init__(self, node, tracer=None):
        self.node, self.tracer = node, tracer

    def __repr__(self):
        return f"Proxy({self.node.name})"

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Attribute(self, name)

    def __call__(self, *args, **kwargs):
        return self.tracer.create_proxy("call_method", "__call__", (self, *args), kwargs)

    def __iter__(self):
        frame = inspect.currentframe().f_back
        for step in dis.get_instructions(frame.f_code):
            if step.offset == frame.f_lasti and step.opname == "UNPACK_SEQUENCE":
                return (self[i] for i in range(step.argval))
        return self.tracer.iter(self)

    def __bool__(self):
        return self.tracer.to_bool(self)

    def __len__(self):
        raise RuntimeError(
            "'len' is not supported in symbolic tracing by default. If you want this call to be "
            "recorded, please call torch.fx.wrap('len') at module scope"
        )

    def __contains__(self, item):
        raise TraceError("'in' is not supported in symbolic tracing")

    def keys(self):
        return self.tracer.keys(self)

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        found = []
        _collect((args, kwargs), found)
        tracer, kwargs = found[0].tracer, kwargs or {}
        home = getattr(function, "__objclass__", None)
        name = function.__name__
        if name == "__get__":
            return Attribute(args[0], function.__self__.__name__)
        if home is not None and not hasattr(operator, name.strip("_")):
            return tracer.create_proxy("call_method", name, args, kwargs)
        return tracer.create_proxy("call_function", getattr(operator, name.strip("_"), function)
                                   if home is not None else function, args, kwargs)


class Attribute(Proxy):
    """An attribute of a proxy: a step of its own, unless it is called."""

    def __init__(self, root, attr):
        self.root, self.attr, self.tracer, self._node = root, attr, root.tracer, None

    @property
    def node(self):
        if self._node is None:
            self._node = self.tracer.create_proxy(
                "call_function", getattr, (self.root, self.attr), {}).node
        return self._node

    def __call__(self, *args, **kwargs):
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)


def _collect(a, found):
    if isinstance(a, Proxy):
        found.append(a)
    elif isinstance(a, (tuple, list)):
        for x in a:
            _collect(x, found)
    elif isinstance(a, dict):
        _collect(tuple(a.values()), found)


def proxies(*values):
    """The proxies among values, in lists and dicts too."""
    found = []
    _collect(values, found)
    return found


def _operation(function, swapped=False):
    def method(self, *others):
        args = (*others, self) if swapped else (self, *others)
        return self.tracer.create_proxy("call_function", function, args, {})

    return method


_BINARY = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split()
for _name in _BINARY:
    _function = getattr(operator, f"__{_name}__")
    _function = getattr(operator, _function.__name__)
    setattr(Proxy, f"__{_name}__", _operation(_function))
    setattr(Proxy, f"__r{_name}__", _operation(_function, swapped=True))
for _name in "lt le eq ne gt ge neg pos invert getitem abs".split():
    setattr(Proxy, f"__{_name}__", _operation(getattr(operator, _name)))
Proxy.__hash__ = object.__hash__
del _name, _function


class TracerBase:
    """Makes steps and their proxies; a subclass may say what to do where a value is asked for."""

    graph = None

    def create_node(self, kind, target, args, kwargs, name=None, type_expr=None):
        return self.graph.create_node(kind, target, args, kwargs, name, type_expr)

    def proxy(self, node):
        return Proxy(node, self)

    def create_proxy(self, kind, target, args, kwargs, name=None, type_expr=None,
                     proxy_factory_fn=None):
        args, kwargs = self.create_arg(args), self.create_arg(kwargs)
        node = self.create_node(kind, target, args, kwargs, name, type_expr)
        return (proxy_factory_fn or self.proxy)(node)

    def create_arg(self, a):
        """A value as the argument of a step."""
        if isinstance(a, Proxy):
            return a.node
        if isinstance(a, tuple) and hasattr(a, "_fields"):
            return type(a)(*map(self.create_arg, a))
        if isinstance(a, (tuple, list)):
            return type(a)(map(self.create_arg, a))
        if isinstance(a, dict):
            return {k: self.create_arg(v) for k, v in a.items()}
        if isinstance(a, slice):
            return slice(*map(self.create_arg, (a.start, a.stop, a.step)))
        if isinstance(a, range):
            return range(*map(self.create_arg, (a.start, a.stop, a.step)))
        return a

    def to_bool(self, obj):
        raise TraceError("symbolically traced variables cannot be used as inputs to control flow")

    def iter(self, obj):
        raise TraceError(
            "Proxy object cannot be iterated. This can be attempted when the Proxy is used in a "
            "loop or as a *args or **kwargs function argument. See the torch.fx docs on "
            "pytorch.org for a more detailed explanation of what types of control flow can be traced, and "
            "check out the Proxy docstring for help troubleshooting Proxy iteration errors"
        )

    def keys(self, obj):
        return Attribute(obj, "keys")()


