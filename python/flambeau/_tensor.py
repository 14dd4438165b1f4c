"""How tensors are copied and pickled (source: torch._tensor).

A tensor is pickled as its storage and how it lies in it, so views of one storage stay views and an
expanded tensor stays small; copy.copy() goes the same way and shares the storage.
"""

from collections import OrderedDict
from copy import deepcopy

from flambeau import _C
from flambeau._C import Tensor
from flambeau._utils import (
    _rebuild_meta_tensor_no_storage,
    _rebuild_tensor_v2,
    _rebuild_tensor_v3,
)


# Dtypes without a type of storage of their own: a pickle names the dtype beside the bytes.
_UNTYPED = frozenset(
    getattr(_C, name)
    for name in "uint16 uint32 uint64 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz "
    "float8_e8m0fnu".split()
)


def _rebuilt(tensor):
    """The function that makes it again, and its arguments."""
    from flambeau.storage import _typed_over

    untyped = tensor.dtype in _UNTYPED
    parts = (
        tensor.untyped_storage() if untyped else _typed_over(tensor),
        tensor.storage_offset(),
        tuple(tensor.shape),
        tensor.stride(),
        tensor.requires_grad,
        OrderedDict(),
    )
    return (_rebuild_tensor_v3, (*parts, tensor.dtype)) if untyped else (_rebuild_tensor_v2, parts)


def _reduce(tensor):
    """Tensor.__reduce_ex__."""
    state = tensor.__dict__
    if tensor.is_meta:
        return _rebuild_meta_tensor_no_storage, (
            tensor.dtype, tuple(tensor.shape), tensor.stride(), tensor.requires_grad
        )
    if type(tensor) is Tensor and not state:
        return _rebuilt(tensor)
    function, parts = _rebuilt(tensor)
    return _rebuild_from_type_v2, (function, type(tensor), parts, state)


def _rebuild_from_type_v2(func, new_type, args, state):
    """A tensor of a subclass, or with attributes of its own, from a pickle."""
    made = func(*args)
    if type(made) is not new_type:
        made = made.as_subclass(new_type)
    setstate = getattr(new_type, "__setstate__", None)
    if setstate is not None and setstate is not getattr(Tensor, "__setstate__", None):
        made.__setstate__(state)
        return made
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    if attributes:
        made.__dict__.update(attributes)
    for name, value in (slots or {}).items():
        setattr(made, name, value)
    return made


def _deepcopy(tensor, memo):
    """Tensor.__deepcopy__: a leaf on a copy of the whole storage, which copies of its views share."""
    if not tensor.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
            "protocol at the moment.  If you were attempting to deepcopy a module, this may be "
            "because of a torch.nn.utils.weight_norm usage, see "
            "https://github.com/pytorch/pytorch/pull/103001"
        )
    if id(tensor) in memo:
        return memo[id(tensor)]
    copied = _C.empty([0], device=tensor.device).to(tensor.dtype).set_(
        deepcopy(tensor.untyped_storage(), memo),
        tensor.storage_offset(),
        tuple(tensor.shape),
        tensor.stride(),
    )
    if type(tensor) is not Tensor:
        copied = copied.as_subclass(type(tensor))
    if tensor.requires_grad:
        copied.requires_grad_()
    memo[id(tensor)] = copied
    if tensor.grad is not None:
        copied.grad = deepcopy(tensor.grad, memo)
    if tensor.__dict__:
        copied.__dict__.update(deepcopy(tensor.__dict__, memo))
    return copied


_API_VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")


def _array_namespace(tensor, api_version):
    """Tensor.__array_namespace__: the functions of the array API standard, which are
    array-api-compat's over torch's own. They call what `import torch` means, so that must be
    Flambeau. ValueError for a version of the standard that they do not follow."""
    from flambeau import compat

    if api_version is not None and api_version not in _API_VERSIONS:
        raise ValueError(f"the array API standard {api_version!r} is not followed; known are: "
                         + ", ".join(_API_VERSIONS))  # fmt: skip
    if not compat.installed():
        raise RuntimeError(
            "the array API's namespace calls what `import torch` means: run the program with "
            "`python -m flambeau`, or call flambeau.compat.install() first"
        )
    try:
        import array_api_compat.torch as namespace
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "the array API's namespace is array-api-compat: pip install array-api-compat"
        ) from error
    return namespace
