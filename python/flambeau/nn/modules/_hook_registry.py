"""The hooks of modules: how they are registered, on one module or on all (source: torch.nn.Module).

What runs them is in _hooks.py.
"""
from __future__ import annotations

from _collections import OrderedDict
from weakref import ref

from flambeau._C import (
    _global_backward_hooks,
    _global_backward_pre_hooks,
    _global_buffer_registration_hooks,
    _global_forward_hooks,
    _global_forward_pre_hooks,
    _global_module_registration_hooks,
    _global_parameter_registration_hooks,
)
from flambeau.utils.hooks import RemovableHandle

__all__ = [
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

_MIXED_HOOKS = ("Cannot use both regular backward hooks and full backward hooks {}. "
                "Please use only one of them.")


def warn(message, kind=UserWarning):
    import warnings
    warnings.warn(message, kind, stacklevel=3)


class WrappedHook:
    """A hook that is given its module first, without keeping the module alive."""

    def __init__(self, hook, module=None):
        self.hook = hook
        self.with_module = module is not None
        if self.with_module:
            self.module = ref(module)

    def __call__(self, *args, **kwargs):
        if not self.with_module:
            return self.hook(*args, **kwargs)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args, **kwargs)

    def __getstate__(self):
        state = dict(self.__dict__)
        if self.with_module:
            state["module"] = self.module()
        return state

    def __setstate__(self, state):
        self.__dict__.update(state)
        if self.with_module:
            if state["module"] is None:
                raise RuntimeError("You are trying to revive the hook of a dead Module!")
            self.module = ref(state["module"])


# ---- Hooks that all modules share ----------------------------------------------------------------

_global_forward_hooks_with_kwargs = OrderedDict()
_global_forward_hooks_always_called = OrderedDict()
_global_is_full_backward_hook = None


def hang(hooks, hook, prepend=False, marks=()):
    """Adds a hook; marks are (dictionary, whether the hook's id goes into it). Returns its handle.
    """
    handle = RemovableHandle(hooks, extra_dict=[mark for mark, _ in marks] or None)
    hooks[handle.id] = hook
    for mark, wanted in marks:
        if wanted:
            mark[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def register_module_buffer_registration_hook(hook):
    """hook(module, name, buffer) sees, and may replace, every buffer that is registered."""
    return hang(_global_buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook):
    """hook(module, name, submodule) sees, and may replace, every child that is registered."""
    return hang(_global_module_registration_hooks, hook)


def register_module_parameter_registration_hook(hook):
    """hook(module, name, param) sees, and may replace, every parameter that is registered."""
    return hang(_global_parameter_registration_hooks, hook)


def register_module_forward_pre_hook(hook):
    """hook(module, args) runs before every module's forward and may return other arguments."""
    return hang(_global_forward_pre_hooks, hook)


def register_module_forward_hook(hook, *, with_kwargs=False, always_call=False):
    """hook(module, args, output) runs after every module's forward and may return another output.
    """
    return hang(
        _global_forward_hooks,
        hook,
        marks=[
            (_global_forward_hooks_with_kwargs, with_kwargs),
            (_global_forward_hooks_always_called, always_call),
        ],
    )


def _register_global_backward(hook, full):
    global _global_is_full_backward_hook
    if _global_is_full_backward_hook is (not full):
        raise RuntimeError(_MIXED_HOOKS.format("as a global Module hook"))
    _global_is_full_backward_hook = full
    return hang(_global_backward_hooks, hook)


def register_module_backward_hook(hook):
    """The older kind of register_module_full_backward_hook."""
    return _register_global_backward(hook, False)


def register_module_full_backward_hook(hook):
    """hook(module, grad_input, grad_output) runs when every module's input gradients are known."""
    return _register_global_backward(hook, True)


def register_module_full_backward_pre_hook(hook):
    """hook(module, grad_output) runs before every module's gradients are computed."""
    return hang(_global_backward_pre_hooks, hook)


# ---- The part of Module --------------------------------------------------------------------------

class HookRegistry:
    """The methods of Module that register hooks and name those of a call."""

    __slots__ = ()

    def register_forward_pre_hook(self, hook, *, prepend=False, with_kwargs=False):
        """hook(module, args) (or args, kwargs) runs before forward and may return other arguments.
        """
        return hang(self._forward_pre_hooks, hook, prepend,
                     [(self._forward_pre_hooks_with_kwargs, with_kwargs)])

    def register_forward_hook(self, hook, *, prepend=False, with_kwargs=False, always_call=False):
        """hook(module, args, output) (or args, kwargs, output) runs after forward and may return
        another output."""
        return hang(
            self._forward_hooks,
            hook,
            prepend,
            [
                (self._forward_hooks_with_kwargs, with_kwargs),
                (self._forward_hooks_always_called, always_call),
            ],
        )

    def register_full_backward_pre_hook(self, hook, prepend=False):
        """hook(module, grad_output) runs when the output's gradients are known and may return
        others."""
        return hang(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook, prepend=False):
        """hook(module, grad_input, grad_output) runs when the inputs' gradients are known and may
        return others."""
        if self._is_full_backward_hook is False:
            raise RuntimeError(_MIXED_HOOKS.format("on a single Module"))
        self._is_full_backward_hook = True
        return hang(self._backward_hooks, hook, prepend)

    def register_backward_hook(self, hook):
        """The older kind of register_full_backward_hook: sees the gradients of the last operator
        only."""
        if self._is_full_backward_hook is True:
            raise RuntimeError(_MIXED_HOOKS.format("on a single Module"))
        self._is_full_backward_hook = False
        return hang(self._backward_hooks, hook)

    def _get_backward_hooks(self):
        """All backward hooks of a call, shared ones first: (full, not full)."""
        full, other = [], []
        for kind, hooks in ((_global_is_full_backward_hook, _global_backward_hooks),
                            (self._is_full_backward_hook, self._backward_hooks)):
            if kind is not None:
                (full if kind else other).extend(hooks.values())
        return full, other

    def _get_backward_pre_hooks(self):
        return [*_global_backward_pre_hooks.values(), *self._backward_pre_hooks.values()]

    def _call_with_hooks(self, *args, **kwargs):
        """A call of a module that has hooks, or while hooks for all modules exist."""
        from flambeau.nn.modules import _hooks
        return _hooks.call(self, args, kwargs)
