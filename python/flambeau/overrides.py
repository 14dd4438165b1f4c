"""__torch_function__: classes that stand in for tensors see the calls they are arguments of
(source: torch.overrides). Who is asked, and when, is in src/python/call/overrides.c."""

import sys

from flambeau import _C
from flambeau._C import Tensor

DisableTorchFunction = _C.DisableTorchFunction
DisableTorchFunctionSubclass = _C.DisableTorchFunctionSubclass
has_torch_function = _C._has_torch_function


def is_tensor_like(inp):
    """Whether it is a tensor, or of a class with __torch_function__."""
    return type(inp) is Tensor or hasattr(inp, "__torch_function__")


def has_torch_function_unary(arg):
    """has_torch_function of one argument."""
    return has_torch_function((arg,))


def has_torch_function_variadic(*args):
    """has_torch_function of these arguments."""
    return has_torch_function(args)


def handle_torch_function(public_api, relevant_args, *args, **kwargs):
    """What the modes and the classes of relevant_args make of public_api(*args, **kwargs): the
    first result that is not NotImplemented; TypeError where all are."""
    return _C._handle_torch_function(public_api, relevant_args, args, kwargs)


def wrap_torch_function(dispatcher):
    """A decorator: the function asks the arguments that dispatcher names first."""

    def decorate(function):
        from functools import wraps

        @wraps(function)
        def wrapped(*args, **kwargs):
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(wrapped, relevant, *args, **kwargs)
            return function(*args, **kwargs)

        return wrapped

    return decorate


def resolve_name(f):
    """The name of a function, as errors show it: "torch.Tensor.add"."""
    if isinstance(f, str):
        return f
    if f.__name__ == "__get__":
        return f"torch.Tensor.{f.__self__.__name__}.__get__"
    if hasattr(f, "__objclass__"):
        return f"torch.Tensor.{f.__name__}"
    home = (getattr(f, "__module__", None) or "torch").replace("flambeau", "torch", 1)
    home = home.replace("torch._C._nn", "torch.nn.functional").replace("torch._C", "torch", 1)
    return f"{home}.{f.__name__}"


def is_tensor_method_or_property(func):
    """Whether it is a method of Tensor, or reads one of its properties."""
    name = getattr(func, "__name__", None)
    return name == "__get__" or (name is not None and getattr(Tensor, name, None) is func)


def get_default_nowrap_functions():
    """Functions whose results a subclass's __torch_function__ leaves as they are."""
    return {Tensor.grad.__get__, Tensor._base.__get__}


def get_overridable_functions():
    """The functions that show their calls: {namespace: its functions}."""
    import flambeau
    from flambeau.nn import functional

    functions = {}
    for home in (flambeau, functional, Tensor):
        functions[home] = [
            value
            for name, value in sorted(vars(home).items())
            if name[0] != "_" and type(value) in (type(_C.relu), type(Tensor.add))
        ]
    return functions


def _own(function):
    """Flambeau's function where it is PyTorch's, which calls __torch_function__ of a tensor that is
    not its own; else the function itself. TypeError where Flambeau has none of that name."""
    theirs = sys.modules.get("torch")
    name = getattr(function, "__name__", None)
    if name is None or getattr(theirs, "Tensor", Tensor) is Tensor:
        return function
    for home in ("nn.functional", "", "linalg", "special", "fft", "Tensor"):
        their_home, own_home, short = theirs, sys.modules["flambeau"], name
        for part in filter(None, home.split(".")):
            their_home, own_home = getattr(their_home, part), getattr(own_home, part)
            short = short.removeprefix(part + "_")
        if getattr(their_home, short, None) is function:
            try:
                return getattr(own_home, short)
            except AttributeError:
                raise TypeError(
                    f"PyTorch's {short}() was given a tensor of Flambeau, which has no such function"
                ) from None
    return function


class TorchFunctionMode:
    """A context in which __torch_function__(func, types, args, kwargs) of the mode sees every call
    of an operator, before the arguments' classes. Inside it the modes around it are in force."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        raise NotImplementedError

    def __enter__(self):
        _C._push_on_torch_function_stack(self)
        return self

    def __exit__(self, *exception):
        _C._pop_torch_function_stack()

    @classmethod
    def push(cls, *args, **kwargs):
        """The same as making one."""
        return cls(*args, **kwargs)


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that makes each call as it is."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))
