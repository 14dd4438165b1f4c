"""Operators of a program's own, by name (source: torch.library).

custom_op gives a function a name under torch.ops, a derivative and a rule for vmap, through
torch.autograd.Function. What describes it to a compiler (register_fake) is kept and not used.
"""
from __future__ import annotations

from flambeau.autograd.function import Function

__all__ = ["CustomOpDef", "custom_op", "register_autograd", "register_fake",
           "register_kernel", "register_vmap"]

_defined = {}


def _parts(name):
    namespace, found, base = name.partition("::")
    if not found or not namespace or not base:
        raise ValueError(f"Expected the name to be of the form 'namespace::name', got {name!r}")
    return namespace, base.split(".")[0]


class CustomOpDef:
    """What custom_op defines: calls its function, and knows what was registered for it."""

    def __init__(self, name, function):
        self._qualname, self._function = name, function
        self._namespace, self._name = _parts(name)
        self._backward = self._setup = self._fake = self._vmap = None
        self._kind = None
        self.__name__, self.__doc__ = self._name, function.__doc__

    def register_fake(self, fn, /):
        """Keeps what gives the sizes of results without computing them."""
        self._fake = fn
        return fn

    def register_kernel(self, device_types, fn=None, /):
        """Another function for some devices: that for the CPU counts."""

        def register(fn):
            types = (device_types,) if isinstance(device_types, str) else device_types
            if types is None or "cpu" in types:
                self._function, self._kind = fn, None
            return fn

        return register if fn is None else register(fn)

    def register_autograd(self, backward, /, *, setup_context=None):
        """The derivative: backward(ctx, *grads), and setup_context(ctx, inputs, output)."""
        self._backward, self._setup, self._kind = backward, setup_context, None

    def register_vmap(self, fn=None, /):
        """The rule under vmap: fn(info, in_dims, *args) gives (outputs, out_dims)."""
        if fn is None:
            return self.register_vmap
        self._vmap, self._kind = fn, None
        return fn

    def _function_class(self):
        """The Function that the registered parts make."""
        function, setup, backward = self._function, self._setup, self._backward
        body = {"forward": staticmethod(lambda *args: function(*args)),
                "setup_context": staticmethod(setup or (lambda ctx, inputs, output: None))}
        if backward is not None:
            body["backward"] = staticmethod(backward)
        if self._vmap is not None:
            body["vmap"] = staticmethod(self._vmap)
        return type(self._name, (Function,), body)

    def __call__(self, *args, **kwargs):
        if self._backward is None and self._vmap is None:
            return self._function(*args, **kwargs)
        if kwargs:
            import inspect

            bound = inspect.signature(self._function).bind(*args, **kwargs)
            bound.apply_defaults()
            if bound.kwargs:
                raise NotImplementedError(
                    f"{self._qualname}: keyword-only arguments of an operator with a derivative"
                )
            args = bound.args
        if self._kind is None:
            self._kind = self._function_class()
        return self._kind.apply(*args)

    def __repr__(self):
        return f"<CustomOpDef({self._qualname})>"


def custom_op(name, fn=None, /, *, mutates_args=(), device_types=None, schema=None, tags=None):
    """Names a function "namespace::name": torch.ops.namespace.name calls it too. A decorator where
    fn is not given (source: torch.library.custom_op). mutates_args, schema and tags describe the
    function to a compiler; device_types other than the CPU's have nothing to run on."""

    def define(fn):
        if name in _defined:
            raise RuntimeError(f"an operator named {name} is there already")
        op = CustomOpDef(name, fn)
        _defined[name] = op
        return op

    return define if fn is None else define(fn)


def _find(op):
    if isinstance(op, CustomOpDef):
        return op
    if op not in _defined:
        raise RuntimeError(f"there is no operator named {op}: define it with torch.library.custom_op")
    return _defined[op]


def register_fake(op, func=None, /, *, lib=None, _stacklevel=1, allow_override=False):
    """Keeps what gives the sizes of an operator's results (source: torch.library.register_fake)."""
    if func is None:
        return lambda func: register_fake(op, func)
    return _find(op).register_fake(func)


def register_autograd(op, backward, /, *, setup_context=None, lib=None):
    """Gives an operator its derivative (source: torch.library.register_autograd)."""
    _find(op).register_autograd(backward, setup_context=setup_context)


def register_kernel(op, device_types, func=None, /, *, lib=None):
    """Gives an operator another function for some devices (source:
    torch.library.register_kernel)."""
    return _find(op).register_kernel(device_types, func)


def register_vmap(op, func=None, /, *, lib=None):
    """Gives an operator its rule under vmap (source: torch.library.register_vmap)."""
    return _find(op).register_vmap(func)


class _Namespace:
    """torch.ops.NAME."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, name):
        found = _defined.get(f"{self._name}::{name}")
        if found is None:
            raise AttributeError(f"'_OpNamespace' '{self._name}' object has no attribute '{name}'")
        return found


class _Namespaces:
    """torch.ops."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "aten":
            from flambeau._aten import namespace
        else:
            namespace = _Namespace(name)
        self.__dict__[name] = namespace
        return namespace


ops = _Namespaces()


def wrap_triton(triton_kernel, /):
    """NotImplementedError: there is no Triton here (source: torch.library.wrap_triton)."""
    raise NotImplementedError(
        "Flambeau runs no Triton kernels; an operator of a program's own is torch.library.custom_op, and "
        "kernels in C are added as a paragraph of the operator table"
    )
