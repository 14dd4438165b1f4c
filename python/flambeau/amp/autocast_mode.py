"""torch.autocast: operators that gain from it compute in bfloat16 or float16, those that need it in
float32 (source: torch.amp.autocast_mode). The casting is the door's, in C, by the rules of the
operator table; this module switches it, and remembers the switches of devices that are not here.
"""

import contextlib
import functools
import warnings

from flambeau import _C

Tensor = _C.Tensor

_FAST = {"xla": _C.bfloat16, "hpu": _C.bfloat16}
_HERE = ("cpu", "opencl")  # devices that there are, whose switches are the door's
_AVAILABLE = (*_HERE, "cuda", "xpu", "mps", "hpu", "mtia", "maia", "xla", "ipu", "privateuseone")


class _Elsewhere:
    """Whether autocast is on, and its dtype, for devices that are not here."""

    enabled, dtype = {}, {}


def _kind(device_type):
    if not isinstance(device_type, str):
        raise ValueError(
            f"Expected `device_type` of type `str`, got: `{type(device_type)}`"
        )
    return device_type.split(":")[0]


def is_autocast_available(device_type):
    """Whether autocast knows the type of device. RuntimeError for what is no type of device."""
    device_type = _kind(device_type)
    if device_type in _AVAILABLE:
        return True
    _C.device(device_type)
    return False


def is_autocast_enabled(device_type="cuda"):
    """Whether autocast is on for a type of device; without one, for CUDA."""
    device_type = _kind(device_type)
    if device_type in _HERE:
        return _C._autocast_enabled(device_type)
    return _Elsewhere.enabled.get(device_type, False)


def set_autocast_enabled(device_type, enabled=None):
    """Switches autocast for a type of device."""
    if enabled is None:
        device_type, enabled = "cuda", device_type
    if _kind(device_type) in _HERE:
        _C._set_autocast_enabled(_kind(device_type), bool(enabled))
    else:
        _Elsewhere.enabled[_kind(device_type)] = bool(enabled)


def get_autocast_dtype(device_type):
    """The dtype of autocast on a type of device."""
    device_type = _kind(device_type)
    if device_type in _HERE:
        return _C._autocast_dtype(device_type)
    return _Elsewhere.dtype.get(device_type, _FAST.get(device_type, _C.float16))


def set_autocast_dtype(device_type, dtype):
    """Sets the dtype of autocast on a type of device; of those that are here ValueError for other
    dtypes than bfloat16 and float16."""
    if _kind(device_type) in _HERE:
        _C._set_autocast_dtype(_kind(device_type), dtype)
    else:
        _Elsewhere.dtype[_kind(device_type)] = dtype


def is_autocast_cpu_enabled():
    return is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled):
    set_autocast_enabled("cpu", enabled)


def get_autocast_cpu_dtype():
    return get_autocast_dtype("cpu")


def set_autocast_cpu_dtype(dtype):
    set_autocast_dtype("cpu", dtype)


def get_autocast_gpu_dtype():
    return get_autocast_dtype("cuda")


def set_autocast_gpu_dtype(dtype):
    set_autocast_dtype("cuda", dtype)


def _state():
    """How autocast stands on the devices that are here, to be put back by _restored."""
    cache = _C.is_autocast_cache_enabled()
    return [(kind, _C._autocast_dtype(kind), _C._autocast_enabled(kind), cache) for kind in _HERE]


@contextlib.contextmanager
def _restored(state):
    """A context in which autocast stands so."""
    with contextlib.ExitStack() as stack:
        for values in state:
            stack.enter_context(autocast(*values))
        yield


class autocast:
    """A context, or a decorator, in which autocast is on or off (source: torch.autocast).

    device_type: "cpu" or "opencl"; other types are accepted and change nothing. dtype: bfloat16 or float16;
    None takes the one that is set. cache_enabled: casts of parameters are kept until the outermost
    context ends. A warning, and no autocast, for other dtypes, and for "cuda", which is not here.
    """

    def __init__(self, device_type, dtype=None, enabled=True, cache_enabled=None):
        device_type = _kind(device_type)
        self.device = device_type
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        if not is_autocast_available(device_type):
            raise RuntimeError(
                f"User specified an unsupported autocast device_type '{device_type}'"
            )
        if cache_enabled is None:
            cache_enabled = _C.is_autocast_cache_enabled()
        self._cache_enabled = cache_enabled
        if enabled and device_type == "cuda":
            warnings.warn(
                "CUDA is not available or torch_xla is imported. Disabling autocast.", stacklevel=2
            )
            enabled = False
        elif enabled and self.fast_dtype not in (_C.bfloat16, _C.float16):
            warnings.warn(
                f"In {device_type.upper()} autocast, but the target dtype is not supported. "
                f"Disabling autocast.\n{device_type.upper()} Autocast only supports dtypes of "
                "torch.bfloat16, torch.float16 currently.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        self._before = []

    def __enter__(self):
        before = (
            _C.is_autocast_cache_enabled(),
            is_autocast_enabled(self.device),
            get_autocast_dtype(self.device),
        )
        set_autocast_enabled(self.device, self._enabled)
        if self.device not in _HERE or self.fast_dtype in (_C.bfloat16, _C.float16):
            set_autocast_dtype(self.device, self.fast_dtype)
        _C.autocast_increment_nesting()
        _C.set_autocast_cache_enabled(self._cache_enabled)
        self._before.append(before)
        return self

    def __exit__(self, *exc):
        if _C.autocast_decrement_nesting() == 0:
            _C.clear_autocast_cache()
        cache, enabled, dtype = self._before.pop()
        set_autocast_enabled(self.device, enabled)
        set_autocast_dtype(self.device, dtype)
        _C.set_autocast_cache_enabled(cache)
        return False

    def __call__(self, func):
        if not callable(func):
            raise TypeError(
                f"autocast()(func) requires a callable, but got {type(func).__name__}. Did you mean "
                "to use autocast as a context manager? For example:\n"
                "    with torch.autocast(device_type=...):\n        output = model(input)"
            )

        @functools.wraps(func)
        def inside(*args, **kwargs):
            with self:
                return func(*args, **kwargs)

        return inside


def _enter_autocast(*values):
    mode = autocast(*values)
    mode.__enter__()
    return mode


def _exit_autocast(mode):
    mode.__exit__(None, None, None)


def _cast(value, device_type, dtype):
    """value with the tensors in it, of floating point and not float64, as dtype."""
    if isinstance(value, Tensor):
        wanted = (
            value.is_floating_point()
            and value.device.type == device_type
            and value.dtype is not _C.float64
        )
        return value.to(dtype) if wanted else value
    if isinstance(value, dict):
        return {
            _cast(key, device_type, dtype): _cast(item, device_type, dtype)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        items = [_cast(item, device_type, dtype) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def custom_fwd(fwd=None, *, device_type, cast_inputs=None):
    """A decorator of a custom function's forward: with cast_inputs, under autocast, its tensors come
    in that dtype and autocast is off inside (source: torch.amp.custom_fwd)."""
    _kind(device_type)
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def forward(ctx, *args, **kwargs):
        ctx._dtype = get_autocast_dtype(device_type)
        active = is_autocast_enabled(device_type)
        ctx._fwd_used_autocast = active and cast_inputs is None
        if cast_inputs is None or not active:
            return fwd(ctx, *args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(
                ctx,
                *_cast(args, device_type, cast_inputs),
                **_cast(kwargs, device_type, cast_inputs),
            )

    return forward


def custom_bwd(bwd=None, *, device_type):
    """A decorator of a custom function's backward: autocast stands as in its forward (source:
    torch.amp.custom_bwd)."""
    _kind(device_type)
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def backward(ctx, *args, **kwargs):
        with autocast(device_type, enabled=ctx._fwd_used_autocast, dtype=ctx._dtype):
            return bwd(ctx, *args, **kwargs)

    return backward
