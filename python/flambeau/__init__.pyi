# Types for editors of the package's top: operators and types from _C.pyi, and what composes.
import builtins
from typing import Any, Callable, Iterable, Iterator, Optional, TypeVar, Union, overload

from flambeau import (
    accelerator as accelerator,
    amp as amp,
    ao as ao,
    autograd as autograd,
    backends as backends,
    classes as classes,
    compat as compat,
    compiler as compiler,
    cpu as cpu,
    cuda as cuda,
    datasets as datasets,
    distributed as distributed,
    distributions as distributions,
    export as export,
    fft as fft,
    func as func,
    functional as functional,
    futures as futures,
    fx as fx,
    hub as hub,
    jit as jit,
    linalg as linalg,
    masked as masked,
    mps as mps,
    multiprocessing as multiprocessing,
    nested as nested,
    nn as nn,
    onnx as onnx,
    optim as optim,
    overrides as overrides,
    profiler as profiler,
    quasirandom as quasirandom,
    quantization as quantization,
    random as random,
    return_types as return_types,
    serialization as serialization,
    sparse as sparse,
    special as special,
    storage as storage,
    testing as testing,
    torch_version as torch_version,
    types as types,
    utils as utils,
    version as version,
    xpu as xpu,
)
from flambeau._control import (
    cond as cond,
    sym_float as sym_float,
    sym_int as sym_int,
    sym_ite as sym_ite,
    sym_max as sym_max,
    sym_min as sym_min,
    sym_not as sym_not,
    sym_sqrt as sym_sqrt,
    sym_sum as sym_sum,
    while_loop as while_loop,
)
from flambeau._quantized import (
    per_channel_affine as per_channel_affine,
    per_channel_affine_float_qparams as per_channel_affine_float_qparams,
    per_channel_symmetric as per_channel_symmetric,
    per_tensor_affine as per_tensor_affine,
    per_tensor_symmetric as per_tensor_symmetric,
    qint8 as qint8,
    qint32 as qint32,
    qscheme as qscheme,
    quint4x2 as quint4x2,
    quint8 as quint8,
)
from flambeau.nested import jagged as jagged
from flambeau._archive import PyTorchFileReader as PyTorchFileReader
from flambeau._advice import AdviceWarning as AdviceWarning, set_advice as set_advice
from flambeau._C import *
from flambeau._C import Tensor as Tensor
from flambeau._objects import (
    Generator as Generator,
    ModuleBase as _ModuleBase,
    Size as Size,
    default_generator as default_generator,
    device as device,
    dtype as dtype,
    layout as layout,
    memory_format as memory_format,
)
from flambeau._objects import *
from flambeau._tensor_str import (
    get_printoptions as get_printoptions,
    printoptions as printoptions,
    set_printoptions as set_printoptions,
)
from flambeau._symbols import (
    SymBool as SymBool,
    SymFloat as SymFloat,
    SymInt as SymInt,
)
from flambeau._typeinfo import finfo as finfo, iinfo as iinfo
from flambeau.amp.grad_scaler import GradScaler as GradScaler
from flambeau.amp.autocast_mode import (
    autocast as autocast,
    get_autocast_cpu_dtype as get_autocast_cpu_dtype,
    get_autocast_dtype as get_autocast_dtype,
    get_autocast_gpu_dtype as get_autocast_gpu_dtype,
    is_autocast_cpu_enabled as is_autocast_cpu_enabled,
    is_autocast_enabled as is_autocast_enabled,
    set_autocast_cpu_dtype as set_autocast_cpu_dtype,
    set_autocast_cpu_enabled as set_autocast_cpu_enabled,
    set_autocast_dtype as set_autocast_dtype,
    set_autocast_enabled as set_autocast_enabled,
    set_autocast_gpu_dtype as set_autocast_gpu_dtype,
)
from flambeau.cuda import Event as Event, Stream as Stream
from flambeau.functional import (
    eig as eig,
    einsum as einsum,
    lobpcg as lobpcg,
    lstsq as lstsq,
    lu as lu,
    matrix_rank as matrix_rank,
    pca_lowrank as pca_lowrank,
    solve as solve,
    svd_lowrank as svd_lowrank,
    symeig as symeig,
    tensordot as tensordot,
)
from flambeau.futures import Future as Future
from flambeau.jit import ScriptModule as ScriptModule
from flambeau.random import (
    fork_rng as fork_rng,
    get_rng_state as get_rng_state,
    initial_seed as initial_seed,
    manual_seed as manual_seed,
    seed as seed,
    set_rng_state as set_rng_state,
)
from flambeau.serialization import save as save
from flambeau.storage import (
    TypedStorage as TypedStorage,
    UntypedStorage as UntypedStorage,
    from_file as from_file,
)

__version__: str

_F = TypeVar("_F")
_T = TypeVar("_T")

class _Mode:
    """A context manager that is a decorator too."""

    def __enter__(self) -> Any: ...
    def __exit__(self, *args: Any) -> None: ...
    def __call__(self, function: _F) -> _F: ...

@overload
def no_grad(function: Callable[..., _T]) -> Callable[..., _T]: ...
@overload
def no_grad() -> _Mode: ...
@overload
def enable_grad(function: Callable[..., _T]) -> Callable[..., _T]: ...
@overload
def enable_grad() -> _Mode: ...

class set_grad_enabled(_Mode):
    def __init__(self, mode: builtins.bool) -> None: ...

class inference_mode(_Mode):
    def __init__(self, mode: builtins.bool = ...) -> None: ...

def vmap(func: Callable[..., Any], in_dims: Any = ..., out_dims: Any = ..., randomness: str = ..., *, chunk_size: Optional[builtins.int] = ...) -> Callable[..., Any]: ...
def load(f: Any, map_location: Any = ..., pickle_module: Any = ..., *, weights_only: Optional[builtins.bool] = ..., mmap: Optional[builtins.bool] = ..., **pickle_load_args: Any) -> Any: ...
def is_nonzero(input: Tensor) -> builtins.bool: ...
def set_flush_denormal(mode: builtins.bool) -> builtins.bool: ...
def is_grad_enabled() -> builtins.bool: ...
def is_tensor(obj: Any) -> builtins.bool: ...
def is_storage(obj: Any) -> builtins.bool: ...
def typename(obj: Any) -> str: ...
def compile(model: Any = ..., *, fullgraph: builtins.bool = ..., dynamic: Optional[builtins.bool] = ..., backend: Any = ..., mode: Optional[str] = ..., options: Any = ..., disable: builtins.bool = ...) -> Any: ...
def set_warn_always(b: builtins.bool) -> None: ...
def is_warn_always_enabled() -> builtins.bool: ...
def use_deterministic_algorithms(mode: builtins.bool, *, warn_only: builtins.bool = ...) -> None: ...
def are_deterministic_algorithms_enabled() -> builtins.bool: ...
def is_deterministic_algorithms_warn_only_enabled() -> builtins.bool: ...
def set_deterministic_debug_mode(debug_mode: builtins.int | str) -> None: ...
def get_deterministic_debug_mode() -> builtins.int: ...
def compiled_with_cxx11_abi() -> builtins.bool: ...
def set_float32_matmul_precision(precision: str) -> None: ...
def get_float32_matmul_precision() -> str: ...
def get_default_device() -> device: ...
def get_device_module(device: device | str | None = ...) -> Any: ...
def set_default_device(device: Any) -> None: ...
def set_default_tensor_type(t: Any) -> None: ...
def summary(model: _ModuleBase, *args: Any, **kwargs: Any) -> Any: ...
def progress(iterable: Iterable[_T], *args: Any, **kwargs: Any) -> Iterator[_T]: ...

# sparse matrices
def sparse_coo_tensor(*args: Any, **kwargs: Any) -> Tensor: ...
def sparse_csr_tensor(*args: Any, **kwargs: Any) -> Tensor: ...
def spmm(input: Any, other: Any) -> Tensor: ...

# operators by their names; loaded when touched
ops: Any
library: Any
signal: Any

# what PyTorch keeps for its own
def autocast_increment_nesting() -> builtins.int: ...
def autocast_decrement_nesting() -> builtins.int: ...
def clear_autocast_cache() -> None: ...
def is_autocast_cache_enabled() -> builtins.bool: ...
def set_autocast_cache_enabled(enabled: builtins.bool) -> None: ...
DisableTorchFunction: Any
DisableTorchFunctionSubclass: Any
layer_forward: Any
shortcut: Any

# the legacy tensor types and storages
BFloat16Storage: Any
BoolStorage: Any
ByteStorage: Any
CharStorage: Any
ComplexDoubleStorage: Any
ComplexFloatStorage: Any
DoubleStorage: Any
FloatStorage: Any
HalfStorage: Any
IntStorage: Any
LongStorage: Any
ShortStorage: Any
FloatTensor: Any
DoubleTensor: Any
HalfTensor: Any
BFloat16Tensor: Any
ByteTensor: Any
CharTensor: Any
ShortTensor: Any
IntTensor: Any
LongTensor: Any
BoolTensor: Any

inf: builtins.float
nan: builtins.float
pi: builtins.float
e: builtins.float
newaxis: None

half: dtype
double: dtype
cfloat: dtype
cdouble: dtype
short: dtype
long: dtype
bool: dtype
float: dtype
int: dtype
