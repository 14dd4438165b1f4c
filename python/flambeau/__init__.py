"""Flambeau: PyTorch's programming model as a small C library.

What computes is in the extension `flambeau._C`, whose operators and types this module re-exports
under PyTorch's names. What only composes (nn, optim, utils.data, ...) is imported when it is first
touched, so that `import flambeau` costs a few milliseconds.
"""

import builtins as _builtins
import copyreg as _copyreg
import math as _math

from flambeau import _C

_C._check_interpreter()
_C._note_lines(__file__[: -len("__init__.py")])
from flambeau._C import *  # noqa: E402, F403  operators, Tensor, Size, device, Generator, the dtypes
from flambeau.version import __version__

_MODULES = frozenset(
    (
        "__config__ _dynamo _inductor _logging _subclasses _tensor_str _utils accelerator amp "
        "ao autograd backends classes compat compiler cpu cuda datasets distributed "
        "distributions export fft func functional futures fx hub jit library linalg masked mps "
        "multiprocessing nested nn onnx optim overrides profiler quantization quasirandom "
        "random return_types serialization signal sparse special storage testing torch_version "
        "types utils version xpu"
    ).split()
)

# name -> the module that has it
_HOMES = {
    **dict.fromkeys(("set_printoptions", "get_printoptions", "printoptions"), "_tensor_str"),
    **dict.fromkeys(("save", "load"), "serialization"),
    **dict.fromkeys(
        ("manual_seed", "seed", "initial_seed", "get_rng_state", "set_rng_state", "fork_rng"),
        "random",
    ),
    **dict.fromkeys(
        ("no_grad", "enable_grad", "set_grad_enabled", "inference_mode"), "autograd.grad_mode"
    ),
    **dict.fromkeys(
        (
            "eig einsum lobpcg lstsq lu matrix_rank pca_lowrank solve svd_lowrank "
            "symeig tensordot"
        ).split(),
        "functional",
    ),
    **dict.fromkeys(("sparse_coo_tensor", "sparse_csr_tensor", "spmm"), "sparse"),
    **dict.fromkeys(("finfo", "iinfo"), "_typeinfo"),
    **dict.fromkeys(
        (
            "autocast is_autocast_enabled set_autocast_enabled get_autocast_dtype "
            "set_autocast_dtype is_autocast_cpu_enabled set_autocast_cpu_enabled "
            "get_autocast_cpu_dtype set_autocast_cpu_dtype get_autocast_gpu_dtype "
            "set_autocast_gpu_dtype"
        ).split(),
        "amp.autocast_mode",
    ),
    **dict.fromkeys(("AdviceWarning", "set_advice"), "_advice"),
    "vmap": "func",
    "jagged": "nested",
    **dict.fromkeys(
        "cond while_loop sym_int sym_float sym_not sym_max sym_min sym_ite sym_sum sym_sqrt".split(),
        "_control",
    ),
    **dict.fromkeys(
        (
            "qint8 qint32 quint8 quint4x2 qscheme per_tensor_affine per_tensor_symmetric "
            "per_channel_affine per_channel_symmetric per_channel_affine_float_qparams"
        ).split(),
        "_quantized",
    ),
    "PyTorchFileReader": "_archive",
    "Future": "futures",
    "ScriptModule": "jit",
    **dict.fromkeys(("SymInt", "SymFloat", "SymBool"), "_symbols"),
    "GradScaler": "amp.grad_scaler",
    **dict.fromkeys(("Stream", "Event"), "cuda"),
    "ops": "library",
    "summary": "_summary",
    "progress": "_progress",
    **dict.fromkeys(
        (
            "FloatTensor DoubleTensor HalfTensor BFloat16Tensor ByteTensor CharTensor ShortTensor "
            "IntTensor LongTensor BoolTensor set_default_tensor_type"
        ).split(),
        "_legacy",
    ),
    **dict.fromkeys(
        (
            "FloatStorage DoubleStorage HalfStorage BFloat16Storage ByteStorage CharStorage "
            "ShortStorage IntStorage LongStorage BoolStorage ComplexFloatStorage "
            "ComplexDoubleStorage TypedStorage UntypedStorage from_file"
        ).split(),
        "storage",
    ),
}


def __getattr__(name):
    home = _HOMES.get(name)
    if home is not None or name in _C.__dict__:  # operators like _standard_gamma
        value = getattr(_C if home is None else _module(home), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return _module(name)
    if name == "torch":  # PyTorch's module has itself by that name
        return __import__(__name__)
    if name.startswith(("_foreach_", "_amp_")):
        value = getattr(_module("_foreach"), name)
        globals()[name] = value
        return value
    if name.startswith("__"):
        raise AttributeError(f"module 'flambeau' has no attribute '{name}'")
    raise AttributeError(f"Flambeau has no torch.{name} yet")


def _module(name):
    """Imports flambeau.NAME and returns it."""
    module = __import__("flambeau." + name)
    for part in name.split("."):
        module = getattr(module, part)
    return module


def __dir__():
    return sorted({*globals(), *_MODULES, *_HOMES})


def _defer(name, home="functional", there=None):
    """A method of Tensor that becomes HOME.NAME (there: or of another name) when it is first called.
    """

    def call(*args, **kwargs):
        function = getattr(_module(home), there or name)
        setattr(_C.Tensor, name, function)
        return function(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    return call


def _make_wrapper_subclass(cls, size, *arguments, **options):
    """NotImplementedError: operators of a wrapper would go to its __torch_dispatch__."""
    raise NotImplementedError(
        "Flambeau has no __torch_dispatch__, which a wrapper's operators would go to: a subclass that "
        "is a tensor (torch.Tensor._make_subclass) sees its calls in __torch_function__"
    )


_C.Tensor._make_wrapper_subclass = staticmethod(_make_wrapper_subclass)

# Methods that are composed in Python.
for _name in (
    "eig lstsq lu solve symeig"
).split():
    setattr(_C.Tensor, _name, _defer(_name))
for _name in ("to_sparse", "to_sparse_coo", "to_sparse_csr", "sparse_mask"):
    setattr(_C.Tensor, _name, _defer(_name, "sparse", "_" + _name))
del _name
_C.Tensor.to_dense = lambda self, dtype=None, *, masked_grad=None: (
    self if dtype is None else self.to(dtype)
)



def _reduce_builtin(function):
    """How a built-in function is pickled: an operator is its name."""
    if type(function.__self__).__name__ == "PyCapsule" and function.__module__:
        return function.__name__
    return function.__reduce__()


_copyreg.pickle(type(_C.add), _reduce_builtin)

inf, nan, pi, e = _math.inf, _math.nan, _math.pi, _math.e
newaxis = None

default_generator = _C.default_generator
is_grad_enabled = _C._is_grad_enabled


def is_tensor(obj):
    """Whether obj is a Tensor (source: torch.is_tensor)."""
    return isinstance(obj, _C.Tensor)


def is_storage(obj):
    """Whether obj is an UntypedStorage or a TypedStorage (source: torch.is_storage)."""
    from flambeau import storage

    return isinstance(obj, (storage.UntypedStorage, storage.TypedStorage))


def is_nonzero(input):
    """Whether a tensor of one element is not zero (source: torch.is_nonzero). RuntimeError for other
    sizes."""
    if input.numel() != 1:
        text = "no values" if input.numel() == 0 else "more than one value"
        raise RuntimeError(f"Boolean value of Tensor with {text} is ambiguous")
    return _builtins.bool(input)


_C.Tensor.is_nonzero = is_nonzero


def _assert_async(
    condition, message="Expected Tensor with single nonzero value, but got zero"
):
    """RuntimeError(message) unless the one element is not zero (source: torch._assert_async)."""
    if not is_nonzero(condition):
        raise RuntimeError(message)


def _assert(condition, message):
    """AssertionError(message) unless condition holds (source: torch._assert)."""
    if not condition:
        raise AssertionError(message)


def _check_with(error, cond, message=None):
    """Raises error(message()) unless cond holds (source: torch._check_with)."""
    if not isinstance(cond, _builtins.bool):
        raise TypeError(f"cond must be a bool, but got {type(cond)}")
    if cond:
        return
    if message is None:
        text = (
            "Expected cond to be True, but got False. (Could this error message be improved? If "
            "so, please report an enhancement request to PyTorch.)"
        )
    elif callable(message):
        text = str(message())
    else:
        raise TypeError("message must be a callable")
    raise error(text)


def _check(cond, message=None):
    """RuntimeError(message()) unless cond holds (source: torch._check)."""
    _check_with(RuntimeError, cond, message)


def _check_index(cond, message=None):
    """IndexError(message()) unless cond holds (source: torch._check_index)."""
    _check_with(IndexError, cond, message)


def _check_value(cond, message=None):
    """ValueError(message()) unless cond holds (source: torch._check_value)."""
    _check_with(ValueError, cond, message)


def _check_type(cond, message=None):
    """TypeError(message()) unless cond holds (source: torch._check_type)."""
    _check_with(TypeError, cond, message)


def _check_not_implemented(cond, message=None):
    """NotImplementedError(message()) unless cond holds (source: torch._check_not_implemented)."""
    _check_with(NotImplementedError, cond, message)


def set_flush_denormal(mode):
    """False: denormal numbers stay (source: torch.set_flush_denormal)."""
    return False


def typename(obj):
    """A name for the type of obj, as error messages use it (source: torch.typename)."""
    if isinstance(obj, _C.Tensor):
        return obj.type()
    kind = obj if isinstance(obj, type) else type(obj)
    name = kind.__qualname__
    return name if kind.__module__ in ("builtins", "") else f"{kind.__module__}.{name}"


def compile(
    model=None,
    *,
    fullgraph=False,
    dynamic=None,
    backend="inductor",
    mode=None,
    options=None,
    disable=False,
):
    """Returns a function as it is, and a module in an OptimizedModule that calls it: every call
    already runs at full speed (source: torch.compile). RuntimeError for both a mode and options."""
    if model is None:
        return lambda model: compile(model, mode=mode, options=options, disable=disable)
    if mode is not None and options is not None:
        raise RuntimeError(
            "Either mode or options can be specified, but both can't be specified at the same time."
        )
    if not callable(model):
        raise AssertionError("A callable function is expected, but {} is provided.".format(model))
    from flambeau._dynamo.eval_frame import Module, OptimizedModule

    if disable or not isinstance(model, Module):
        return model
    return OptimizedModule(getattr(model, "_orig_mod", model))


_deterministic = False
_only_warns = False
_matmul_precision = "highest"
_warns_always = False


def set_warn_always(b):
    """Whether warnings that are given once are given each time, as far as Python's filters show them
    (source: torch.set_warn_always)."""
    global _warns_always
    _warns_always = _builtins.bool(b)
    _C._warn_always(_warns_always)


def is_warn_always_enabled():
    """What set_warn_always was last given (source: torch.is_warn_always_enabled)."""
    return _warns_always


def use_deterministic_algorithms(mode, *, warn_only=False):
    """Accepted: every algorithm of Flambeau is deterministic (source:
    torch.use_deterministic_algorithms)."""
    global _deterministic, _only_warns
    _deterministic = _builtins.bool(mode)
    _only_warns = _deterministic and _builtins.bool(warn_only)


def are_deterministic_algorithms_enabled():
    """What use_deterministic_algorithms was last given (source:
    torch.are_deterministic_algorithms_enabled)."""
    return _deterministic


def set_deterministic_debug_mode(debug_mode):
    """0 or "default", 1 or "warn", 2 or "error": the last two as use_deterministic_algorithms (source:
    torch.set_deterministic_debug_mode)."""
    modes = {"default": 0, "warn": 1, "error": 2}
    if not isinstance(debug_mode, (_builtins.int, str)):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    if isinstance(debug_mode, str) and debug_mode not in modes:
        raise RuntimeError(
            "invalid value of debug_mode, expected one of `default`, `warn`, `error`, but got "
            f"{debug_mode}"
        )
    number = modes.get(debug_mode, debug_mode)
    if number not in modes.values():
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, or 2, but got {number}")
    use_deterministic_algorithms(number > 0, warn_only=number == 1)


def get_deterministic_debug_mode():
    """0, or 1 or 2 where use_deterministic_algorithms is on, with warn_only or without (source:
    torch.get_deterministic_debug_mode)."""
    return 2 - _only_warns if _deterministic else 0


def compiled_with_cxx11_abi():
    """True (source: torch.compiled_with_cxx11_abi)."""
    return True


def is_deterministic_algorithms_warn_only_enabled():
    """Whether it was to warn only (source: torch.is_deterministic_algorithms_warn_only_enabled)."""
    return _only_warns


def set_float32_matmul_precision(precision):
    """Accepted: products of float32 are always computed in float32 (source:
    torch.set_float32_matmul_precision)."""
    global _matmul_precision
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(f"{precision} is not one of 'highest', 'high', or 'medium'")
    _matmul_precision = precision


def get_float32_matmul_precision():
    """What set_float32_matmul_precision was last given (source:
    torch.get_float32_matmul_precision)."""
    return _matmul_precision


def get_device_module(device=None):
    """The module of a type of device, torch.cuda for "cuda" (source: torch.get_device_module).
    RuntimeError where there is none; without a device the accelerator's, or torch.cpu."""
    from importlib import import_module

    if device is not None and not isinstance(device, (str, _C.device)):
        raise RuntimeError(f"Invalid value of device '{device}', expect torch.device, str, or None")
    kind = "cpu" if device is None else _C.device(device).type
    if kind not in ("cpu", "cuda"):
        raise RuntimeError(
            f"Device '{kind}' does not have a corresponding module registered as 'torch.{kind}'."
        )
    return import_module(f"flambeau.{kind}")


def get_default_device():
    """Where tensors are made when no device is given (source: torch.get_default_device)."""
    return _C._get_default_device()


def set_default_device(device):
    """Makes a device the one where this thread makes tensors when none is given; None: the CPU
    (source: torch.set_default_device). AssertionError for CUDA, RuntimeError for a device that is
    not there."""
    _C._set_default_device(None if device is None else _C.device(device))


# PyTorch's other names of the dtypes; last, because they hide builtins.
half, double, short, long = _C.float16, _C.float64, _C.int16, _C.int64
cfloat, cdouble = _C.complex64, _C.complex128
bool, float, int = _C.bool, _C.float32, _C.int32


def _log_api_usage_once(event):
    """Nothing is counted."""


_C._log_api_usage_once = _log_api_usage_once  # libraries call it there
_C._TensorMeta = type(_C.Tensor)
_C._are_functorch_transforms_active = lambda: _builtins.bool(
    _C._vmaps() or _C._dual_levels()
)
