"""Tensors that modules register when they are assigned (source: torch.nn.parameter)."""
from __future__ import annotations

import flambeau
from flambeau._C import Tensor

__all__ = ["Buffer", "Parameter", "is_lazy"]


class Parameter(Tensor):
    """A tensor that a module trains: Parameter(data=None, requires_grad=True) shares the memory of
    data.

    Source: torch.nn.Parameter.
    """

    def __new__(cls, data=None, requires_grad=True):
        if data is None:
            data = flambeau.empty(0)
        return Tensor._make_subclass(cls, data, requires_grad)

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.data.clone(), self.requires_grad)
        return memo[id(self)]

    def __repr__(self, *, tensor_contents=None):
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, proto):
        state = getattr(self, "__dict__", None)
        return _rebuild_parameter, (self.data, self.requires_grad), state or None


def _rebuild_parameter(data, requires_grad, backward_hooks=None):
    return Parameter(data, requires_grad)


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


def is_lazy(param):
    """Whether a parameter waits for its shape; Flambeau has none that do."""
    return False
