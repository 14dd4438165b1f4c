"""The types that tensors had before dtypes: FloatTensor, LongTensor, cuda.FloatTensor, ... (source:
torch.FloatTensor). Calling one makes a tensor of its dtype from sizes, data or a storage;
isinstance asks for dtype and device."""

import warnings

from flambeau import _C

# Name of a type, without "Tensor" -> its dtype.
DTYPES = {
    "Float": _C.float32,
    "Double": _C.float64,
    "Half": _C.float16,
    "BFloat16": _C.bfloat16,
    "Byte": _C.uint8,
    "Char": _C.int8,
    "Short": _C.int16,
    "Int": _C.int32,
    "Long": _C.int64,
    "Bool": _C.bool,
}


class tensortype(type):
    """The type of those types."""

    def __instancecheck__(cls, obj):
        return isinstance(obj, _C.Tensor) and obj.dtype is cls.dtype and obj.is_cuda == cls.is_cuda


def _new(cls, *args, **kwargs):
    if cls.is_cuda:
        raise TypeError(
            f"type torch.cuda.{cls.__name__} not available. Torch not compiled with CUDA enabled."
        )
    return _C._construct(cls.dtype, args, kwargs)


def _make(name, cuda):
    kind = tensortype(
        name + "Tensor",
        (),
        {
            "__module__": "torch.cuda" if cuda else "torch",
            "__doc__": f"Tensors of dtype {DTYPES[name]}.",
            "__new__": _new,
            "dtype": DTYPES[name],
            "layout": _C.strided,
            "is_cuda": cuda,
            "is_sparse": False,
        },
    )
    return kind


_types = {(name, cuda): _make(name, cuda) for name in DTYPES for cuda in (False, True)}
globals().update({name + "Tensor": _types[name, False] for name in DTYPES})


def cuda_type(name):
    """torch.cuda.NAME, where it is a tensor's type; None where it is none."""
    return _types.get((name.removesuffix("Tensor"), True)) if name.endswith("Tensor") else None


def set_default_tensor_type(t):
    """Sets the default dtype from a type of tensors or its name (source:
    torch.set_default_tensor_type). TypeError where it is no floating type, or of another device."""
    if isinstance(t, str):
        found = [kind for kind in _types.values() if f"{kind.__module__}.{kind.__name__}" == t]
        t = found[0] if found else t
    if not isinstance(t, tensortype):
        raise TypeError(
            "invalid type object: only floating-point types are supported as the default type"
        )
    if t.is_cuda:
        raise TypeError(
            f"type torch.cuda.{t.__name__} not available. Torch not compiled with CUDA enabled."
        )
    if not t.dtype.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    warnings.warn("torch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use "
                  "torch.set_default_dtype() and torch.set_default_device() as alternatives.",
                  stacklevel=2)
    _C.set_default_dtype(t.dtype)
