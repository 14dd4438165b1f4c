"""Asking whether objects stand in for tensors (source: torch.overrides). Flambeau's operators take
tensors and their subclasses; they call no __torch_function__ of other classes."""

from flambeau import _C

_Tensor = _C.Tensor


def is_tensor_like(inp):
    """Whether it is a tensor, or of a class with __torch_function__."""
    return type(inp) is _Tensor or hasattr(inp, "__torch_function__") or isinstance(inp, _Tensor)


def has_torch_function(relevant_args):
    """Whether one of the arguments, which is no plain tensor, has __torch_function__."""
    return any(
        not isinstance(arg, _Tensor) and hasattr(arg, "__torch_function__") for arg in relevant_args
    )


def has_torch_function_unary(arg):
    return has_torch_function((arg,))


def has_torch_function_variadic(*args):
    return has_torch_function(args)


def handle_torch_function(public_api, relevant_args, *args, **kwargs):
    """Calls the first __torch_function__ that does not give NotImplemented; TypeError where all
    do."""
    types = tuple({type(arg): None for arg in relevant_args if hasattr(arg, "__torch_function__")})
    for arg in relevant_args:
        if isinstance(arg, _Tensor) or not hasattr(arg, "__torch_function__"):
            continue
        result = arg.__torch_function__(public_api, types, args, kwargs)
        if result is not NotImplemented:
            return result
    raise TypeError(
        f"no implementation found for '{resolve_name(public_api)}' on types that implement "
        f"__torch_function__: {list(types)}"
    )


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
    """The name of a function, as errors show it."""
    module = getattr(f, "__module__", None) or "torch"
    return f"{module}.{getattr(f, '__qualname__', f)}"


def is_tensor_method_or_property(func):
    name = getattr(func, "__name__", None)
    return name is not None and getattr(_Tensor, name, None) is func
