"""Tensors that modules register when they are assigned (source: torch.nn.parameter)."""
from __future__ import annotations

from collections import OrderedDict

import flambeau
from flambeau import _C
from flambeau._C import Tensor
from flambeau._utils import _rebuild_parameter, _rebuild_parameter_with_state

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]


class _ParameterMeta(type(Tensor)):
    def __instancecheck__(cls, instance):
        if type.__instancecheck__(cls, instance):
            return True
        marked = cls is Parameter and isinstance(instance, Tensor)
        return marked and getattr(instance, "_is_param", False)


class Parameter(Tensor, metaclass=_ParameterMeta):
    """A tensor that a module trains: Parameter(data=None, requires_grad=True) shares the memory of
    data.

    Of a subclass of Tensor it makes an instance of that subclass, marked as a parameter.
    Source: torch.nn.Parameter.
    """

    __torch_function__ = _C._disabled_torch_function_impl

    def __new__(cls, data=None, requires_grad=True):
        if data is None:
            data = flambeau.empty(0)
        kind = type(data)
        if kind in (Tensor, Parameter) or (isinstance(data, Tensor) and data.layout is not flambeau.strided):
            return Tensor._make_subclass(cls, data, requires_grad)
        own = data.detach().requires_grad_(requires_grad)
        if not isinstance(data, Tensor):
            return Tensor._make_subclass(cls, own, requires_grad)
        if type(own) is not kind:
            raise RuntimeError(
                f"Creating a Parameter from an instance of type {kind.__name__} requires that detach() "
                f"returns an instance of the same type, but return type {type(own).__name__} was "
                "found instead. To use the type as a Parameter, please correct the detach() semantics "
                "defined by its __torch_dispatch__() implementation."
            )
        own._is_param = True
        return own

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.data.clone(), self.requires_grad)
        return memo[id(self)]

    def __repr__(self, *, tensor_contents=None):
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, proto):
        state = self.__dict__
        parts = (self.data, self.requires_grad, OrderedDict())
        if not state:
            return _rebuild_parameter, parts
        return _rebuild_parameter_with_state, (*parts, state)


class _BufferMeta(type(Tensor)):
    def __instancecheck__(cls, instance):
        return isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)


class Buffer(Tensor, metaclass=_BufferMeta):
    """Marks a tensor, so that a module it is assigned to registers it as a buffer:
    Buffer(data=None, *, persistent=True).

    What comes back is a plain tensor with the mark. Source: torch.nn.Buffer.
    """

    def __new__(cls, data=None, *, persistent=True):
        if data is None:
            data = flambeau.empty(0)
        buffer = data.detach().requires_grad_(data.requires_grad)
        buffer.persistent = persistent
        buffer._is_buffer = True
        return buffer


class UninitializedTensorMixin:
    """A tensor that has a dtype and a device and waits for its shape: materialize(shape) gives it
    one, in place. Until then it can be converted, moved and loaded; ValueError for all else.

    Source: torch.nn.parameter.UninitializedTensorMixin.
    """

    _allowed_methods = frozenset(
        getattr(Tensor, name) for name in
        "__hash__ size copy_ is_complex is_floating_point half bfloat16 float double char short int "
        "long cuda cpu to get_device".split()
    )

    def materialize(self, shape, device=None, dtype=None):
        """Becomes an ordinary parameter or buffer of a shape, its values not set."""
        device = self.data.device if device is None else device
        dtype = self.data.dtype if dtype is None else dtype
        self.data = flambeau.empty(shape, device=device, dtype=dtype)
        self.__class__ = self.cls_to_become

    @property
    def shape(self):
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually"
            " happens in `load_state_dict` when trying to load an uninitialized parameter into an"
            " initialized one. Call `forward` to initialize the parameters before accessing their"
            " attributes."
        )

    def share_memory_(self):
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to"
            " initialize the parameters before calling `module.share_memory()`."
        )

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func in cls._allowed_methods or type(func).__name__ == "method-wrapper":
            return super().__torch_function__(func, types, args, kwargs or {})
        shown = repr(func).replace("of 'Tensor'", "of 'torch._C.TensorBase'")
        raise ValueError(
            f"Attempted to use an uninitialized parameter in {shown}. This error happens when you"
            " are using a `LazyModule` or explicitly manipulating"
            f" `torch.nn.parameter.{cls.__name__}` objects. When using LazyModules Call `forward`"
            " with a dummy batch to initialize the parameters before calling torch functions"
        )

    def __repr__(self):
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, proto):
        return type(self), (self.requires_grad,)


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter that waits for its shape (source: torch.nn.parameter.UninitializedParameter)."""

    cls_to_become = Parameter

    def __new__(cls, requires_grad=True, device=None, dtype=None):
        blank = flambeau.empty(0, device=device, dtype=dtype)
        return Tensor._make_subclass(cls, blank, requires_grad)

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            data = self.data
            memo[id(self)] = type(self)(self.requires_grad, data.device, data.dtype)
        return memo[id(self)]


class UninitializedBuffer(UninitializedTensorMixin, Tensor):
    """A buffer that waits for its shape (source: torch.nn.parameter.UninitializedBuffer)."""

    cls_to_become = Tensor

    def __new__(cls, requires_grad=False, device=None, dtype=None, persistent=True):
        blank = flambeau.empty(0, device=device, dtype=dtype)
        buffer = Tensor._make_subclass(cls, blank, requires_grad)
        buffer.persistent = persistent
        buffer._is_buffer = True
        return buffer

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            data = self.data
            memo[id(self)] = type(self)(self.requires_grad, data.device, data.dtype,
                                        self.persistent)
        return memo[id(self)]


def is_lazy(param):
    """Whether a parameter or buffer waits for its shape."""
    return isinstance(param, UninitializedTensorMixin)
