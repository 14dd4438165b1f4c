"""The arguments of a Function's apply in the order of forward's parameters
(source: torch.autograd.Function.apply)."""

import inspect


def in_order(kind, args, kwargs):
    """kwargs behind args, for a forward that takes ctx."""
    return _placed(kind.forward, 1, args, kwargs)


def with_defaults(kind, args, kwargs):
    """The same for a forward without ctx, whose setup_context sees defaults too."""
    code = getattr(kind.forward, "__code__", None)
    if code and not kwargs and len(args) >= code.co_argcount and not code.co_kwonlyargcount:
        return args if len(args) == code.co_argcount else _bound(kind.forward, args, {})
    return _bound(kind.forward, args, kwargs or {})


def _bound(forward, args, kwargs):
    bound = inspect.signature(forward).bind(*args, **kwargs)
    bound.apply_defaults()
    return _placed(forward, 0, bound.args, bound.kwargs)


def _placed(forward, first, args, kwargs):
    if not kwargs:
        return args
    code = getattr(forward, "__code__", None)
    names = list(code.co_varnames[first : code.co_argcount] if code else _names(forward)[first:])
    places = {}
    for name, value in kwargs.items():
        if name not in names:
            raise TypeError(f"forward() got an unexpected keyword argument '{name}'")
        if names.index(name) < len(args):
            raise TypeError(f"forward() got multiple values for argument '{name}'")
        places[names.index(name)] = value
    for place in range(len(args), max(places) + 1):
        if place not in places:
            raise TypeError(
                f"forward() missing required argument: '{names[place]}' (position {place})")
    return args + tuple(places[place] for place in range(len(args), max(places) + 1))


def _names(forward):
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    return [p.name for p in inspect.signature(forward).parameters.values() if p.kind in kinds]
