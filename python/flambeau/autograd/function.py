"""Operators with a derivative of one's own (source: torch.autograd.Function).

The object that forward and backward get as `ctx` is the node of the call, of a class that each
Function has for its own, NAMEBackward; save_for_backward, apply and the like are in C.
"""

from functools import wraps

from flambeau import _C


class FunctionCtx(_C._FunctionNode):
    """What forward and backward get as `ctx`, and what Function derives from."""

    def save_for_forward(self, *tensors):
        """Keeps tensors for jvp, which finds them in saved_tensors."""
        self._saved_for_forward = tensors


class BackwardCFunction(FunctionCtx):
    """The class of ctx; `_forward_cls` is the Function."""


class FunctionMeta(type):
    """Makes the class of ctx that a Function has."""

    def __init__(cls, name, bases, attrs):
        cls._backward_cls = type(
            name + "Backward", (BackwardCFunction,), {"__module__": __name__, "_forward_cls": cls}
        )
        super().__init__(name, bases, attrs)


class Function(FunctionCtx, metaclass=FunctionMeta):
    """Subclasses define the static methods forward(ctx, *args) and backward(ctx, *grads), or
    forward(*args) with setup_context(ctx, inputs, output); `apply` calls them.

    backward gets a gradient for each result and returns one (or None) for each argument of forward.
    """

    generate_vmap_rule = False

    @staticmethod
    def forward(*args, **kwargs):
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def vjp(ctx, *grad_outputs):
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your "
            "custom autograd.Function to use it with backward mode AD."
        )

    @staticmethod
    def backward(ctx, *grad_outputs):
        return ctx._forward_cls.vjp(ctx, *grad_outputs)

    @staticmethod
    def jvp(ctx, *grad_inputs):
        raise NotImplementedError(
            "You must implement the jvp function for custom "
            "autograd.Function to use it with forward mode AD."
        )

    def __call__(self, *args, **kwargs):
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is "
            "deprecated. Please use new-style autograd function with static "
            "forward method. (Example: "
            "https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )


class InplaceFunction(Function):
    """An old name: use mark_dirty."""

    def __init__(self, inplace=False):
        self.inplace = inplace


class _Refuse(Function):
    """Gives its arguments back; going backward through it is an error."""

    @staticmethod
    def forward(ctx, *tensors):
        return tuple(t.view_as(t) for t in tensors)

    @staticmethod
    def backward(ctx, *grads):
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )


def once_differentiable(backward):
    """A decorator for backward functions that cannot be differentiated themselves: doing so is an
    error then, instead of a wrong gradient (source:
    torch.autograd.function.once_differentiable)."""

    @wraps(backward)
    def wrapper(ctx, *grads):
        recorded = _C._is_grad_enabled()
        _C._set_grad_enabled(False)
        try:
            results = backward(ctx, *grads)
        finally:
            _C._set_grad_enabled(recorded)
        if not recorded or not any(isinstance(g, _C.Tensor) and g.requires_grad for g in grads):
            return results
        many = isinstance(results, tuple)
        results = results if many else (results,)
        places = [i for i, r in enumerate(results) if r is not None]
        refusing = _Refuse.apply(*(results[i].detach().requires_grad_() for i in places))
        results = list(results)
        for i, r in zip(places, refusing):
            results[i] = r
        return tuple(results) if many else results[0]

    return wrapper
