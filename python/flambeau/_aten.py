"""torch.ops.aten: PyTorch's operators by their own names, as programs compare, list and call them.

torch.ops.aten.NAME is a packet of overloads, torch.ops.aten.NAME.OVERLOAD one of them; which
overload runs is decided by the arguments either way. A name that Flambeau has under another name, or as
a method alone, leads there; those that only a compiler or another device calls raise when called.
"""

import flambeau
from flambeau import _C

Tensor = _C.Tensor


def _to_copy(x, *, dtype=None, layout=None, device=None, pin_memory=None, non_blocking=False,
             memory_format=None):
    """A copy, with what is given changed (source: aten::_to_copy)."""
    if layout is not None and layout is not x.layout:
        raise NotImplementedError(f"aten::_to_copy to the layout {layout}")
    return x.to(device=x.device if device is None else device,
                dtype=x.dtype if dtype is None else dtype, copy=True,
                memory_format=memory_format or flambeau.preserve_format)


def _slice(x, dim=0, start=None, end=None, step=1):
    """x cut along a dim (source: aten::slice)."""
    return x[(slice(None),) * (dim % x.ndim) + (slice(start, end, step),)]


def _index(x, indices):
    """x at indices, None for a whole dim (source: aten::index)."""
    return x[tuple(slice(None) if i is None else i for i in indices)]


def _convolution(x, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """A convolution by its general name (source: aten::convolution)."""
    name = f"conv{'_transpose' * transposed}{x.ndim - 2}d"
    conv = getattr(flambeau, name)
    if transposed:
        return conv(x, weight, bias, stride, padding, output_padding, groups, dilation)
    return conv(x, weight, bias, stride, padding, dilation, groups)


_OTHERS = {
    "_to_copy": _to_copy,
    "_unsafe_view": Tensor.view,
    "_local_scalar_dense": Tensor.item,
    "_pin_memory": Tensor.pin_memory,
    "alias": lambda x: x.view(x.shape),
    "convolution": _convolution,
    "index": _index,
    "slice": _slice,
    "sym_numel": Tensor.numel,
    "sym_size": Tensor.size,
    "sym_stride": Tensor.stride,
}
# Named in tables of operators; nothing here ever calls them.
_UNSUPPORTED = frozenset(
    "_scaled_dot_product_cudnn_attention _scaled_dot_product_cudnn_attention_backward "
    "_scaled_dot_product_efficient_attention _scaled_dot_product_flash_attention "
    "_scaled_dot_product_flash_attention_backward _sparse_addmm _sparse_mm_reduce_impl "
    "native_layer_norm_backward convolution_backward".split()
)


def _refuse(name):
    def call(*args, **kwargs):
        raise NotImplementedError(f"Flambeau has no operator aten::{name}")

    return call


def _function(name):
    """What the operator of that name runs; None where there is none."""
    if name in _OTHERS:
        return _OTHERS[name]
    if name in _UNSUPPORTED:
        return _refuse(name)
    for home, own in (
        (flambeau, name), (Tensor, name), (flambeau.nn.functional, name),
        (flambeau.special, name.removeprefix("special_")),
        (flambeau.linalg, name.removeprefix("linalg_")),
        (flambeau.fft, name.removeprefix("fft_")),
    ):
        found = getattr(home, own, None)
        if callable(found) and not isinstance(found, type):
            return found
    return None


class OpOverload:
    """One overload of an operator (source: torch._ops.OpOverload)."""

    def __init__(self, packet, name):
        self.overloadpacket, self._overloadname = packet, name
        self.__name__ = f"{packet.__name__}.{name}"
        self.__module__, self.namespace = "torch._ops.aten", "aten"

    def __call__(self, *args, **kwargs):
        return self.overloadpacket(*args, **kwargs)

    def name(self):
        base = f"aten::{self.overloadpacket.__name__}"
        return base if self._overloadname == "default" else f"{base}.{self._overloadname}"

    def __str__(self):
        return f"aten.{self.__name__}"

    def __repr__(self):
        return f"<OpOverload(op='aten.{self.overloadpacket.__name__}', " \
               f"overload='{self._overloadname}')>"


class OpOverloadPacket:
    """An operator, with its overloads as attributes (source: torch._ops.OpOverloadPacket)."""

    def __init__(self, name, function):
        self.__name__, self._function = name, function
        self._qualified_op_name = f"aten::{name}"

    def __call__(self, *args, **kwargs):
        return self._function(*args, **kwargs)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(
                f"The underlying op of '{self}' has no overload name '{name}'"
            )
        overload = self.__dict__[name] = OpOverload(self, name)
        return overload

    def __str__(self):
        return f"aten.{self.__name__}"

    def __repr__(self):
        return f"<OpOverloadPacket(op='aten.{self.__name__}')>"


class _Namespace:
    def __getattr__(self, name):
        function = None if name.startswith("__") else _function(name)
        if function is None:
            raise AttributeError(f"'_OpNamespace' 'aten' object has no attribute '{name}'")
        packet = self.__dict__[name] = OpOverloadPacket(name, function)
        return packet


namespace = _Namespace()
