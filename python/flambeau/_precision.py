"""What autocast does to functions that are composed in Python; the operators' rules stand in the
table."""

from functools import wraps

from flambeau import _C

_HALVES_AND_SINGLE = (_C.float32, _C.float16, _C.bfloat16)


def _cast(value, dtypes):
    """value with its tensors in the dtypes of their devices."""
    if isinstance(value, _C.Tensor) and value.dtype in _HALVES_AND_SINGLE:
        return value.to(dtypes.get(value.device.type, value.dtype))
    if isinstance(value, (tuple, list)):
        return type(value)(_cast(item, dtypes) for item in value)
    return value


def under_autocast(rule):
    """A decorator: under autocast the tensors come as float32 ("float32"), as autocast's dtype
    ("lower") or as they are ("as it is"), and inside autocast is off."""

    def decorate(function):
        @wraps(function)
        def inside(*args, **kwargs):
            on = [kind for kind in ("cpu", "opencl") if _C._autocast_enabled(kind)]
            if not on:
                return function(*args, **kwargs)
            if rule != "as it is":
                dtypes = {kind: _C.float32 if rule == "float32" else _C._autocast_dtype(kind)
                          for kind in on}
                args = [_cast(value, dtypes) for value in args]
                kwargs = {name: _cast(value, dtypes) for name, value in kwargs.items()}
            for kind in on:
                _C._set_autocast_enabled(kind, False)
            try:
                return function(*args, **kwargs)
            finally:
                for kind in on:
                    _C._set_autocast_enabled(kind, True)

        return inside

    return decorate
