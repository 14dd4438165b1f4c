"""What autocast does to functions that are composed in Python; the operators' rules stand in the
table."""

from functools import wraps

from flambeau import _C

_HALVES_AND_SINGLE = (_C.float32, _C.float16, _C.bfloat16)


def _cast(value, dtype):
    if isinstance(value, _C.Tensor) and value.dtype in _HALVES_AND_SINGLE:
        return value.to(dtype)
    if isinstance(value, (tuple, list)):
        return type(value)(_cast(item, dtype) for item in value)
    return value


def under_autocast(rule):
    """A decorator: under autocast the tensors come as float32 ("float32"), as autocast's dtype
    ("lower") or as they are ("as it is"), and inside autocast is off."""

    def decorate(function):
        @wraps(function)
        def inside(*args, **kwargs):
            if not _C._autocast_enabled():
                return function(*args, **kwargs)
            if rule != "as it is":
                dtype = _C.float32 if rule == "float32" else _C._autocast_dtype()
                args = [_cast(value, dtype) for value in args]
                kwargs = {name: _cast(value, dtype) for name, value in kwargs.items()}
            _C._set_autocast_enabled(False)
            try:
                return function(*args, **kwargs)
            finally:
                _C._set_autocast_enabled(True)

        return inside

    return decorate
