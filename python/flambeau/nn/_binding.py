"""How functional forms reach the operators of the table."""
from __future__ import annotations

from flambeau import _C

_nn = _C._nn


def _op(name):
    """An operator of the table, whether it is a functional form or a function of flambeau."""
    found = getattr(_nn, name, None) or getattr(_C, name, None)
    if found is None:
        raise NotImplementedError(f"Flambeau has no operator {name} yet")
    return found


def _text(function):
    """The signature and docstring of a function, as built-in functions have them."""
    code, defaults = function.__code__, function.__defaults__ or ()
    names = list(code.co_varnames[:code.co_argcount])
    for i, value in enumerate(defaults, len(names) - len(defaults)):
        names[i] += f"={value!r}"
    return f"{function.__name__}({', '.join(names)})\n--\n\n{function.__doc__}"


def _quick(positional, *names, alike=False):
    """Marks a function whose calls with at most `positional` positional arguments and none of the
    keywords `names` mean the same to the operator of its name; with `alike`, where the first two
    arguments are plain tensors of one size."""
    def mark(function):
        fast = getattr(_nn, function.__name__, None) or getattr(_C, function.__name__, None)
        if fast is None:
            return function
        return _C.shortcut(function, fast, positional, names, _text(function), alike)
    return mark
