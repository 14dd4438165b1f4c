"""nn.Module: the base of all layers and models (source: torch.nn.Module).

Registration, attribute access and calls are in C (`_C.ModuleBase`, src/python/module/module.c); here is
what is not hot: walks over the tree, modes, repr. Hooks, state dicts and conversion, in files of
their own, are inherited. Attribute names, the layout of state dicts and the words of errors are
PyTorch's.
"""
from __future__ import annotations

from _collections import OrderedDict

from flambeau import _C
from flambeau._C import ModuleBase
from flambeau.nn.modules import _hook_registry
from flambeau.nn.modules._conversion import Conversion
from flambeau.nn.modules._hook_registry import *  # noqa: F403
from flambeau.nn.modules._hook_registry import HookRegistry
from flambeau.nn.modules._state_dict import StateDict, _IncompatibleKeys  # noqa: F401
from flambeau.nn.parameter import Parameter

TYPE_CHECKING = False  # a type checker reads what follows; no program does
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["Module", *_hook_registry.__all__]


def _forward_unimplemented(self, *input):
    """What a module computes from its arguments; every subclass defines it."""
    raise NotImplementedError(
        f'Module [{type(self).__name__}] is missing the required "forward" function'
    )


class _SuperGetattr:
    """Stands behind a subclass that has a __getattr__, so that super().__getattr__(name) finds one.
    """

    __slots__ = ()

    def __getattr__(self, name):
        return ModuleBase._lookup(self, name)


class _CallSignature:
    """What inspect.signature says of a module: any arguments. Of the class it says __init__'s."""

    def __get__(self, module, kind):
        if module is None:
            raise AttributeError("__signature__")
        import inspect

        return inspect.signature(lambda *args, **kwargs: None)


class Module(HookRegistry, StateDict, Conversion, ModuleBase):
    """Base class of all layers and models: a tree of children, parameters and buffers with a
    forward method.

    Parameters, buffers and modules that are assigned as attributes are registered; calling the
    module runs its hooks and forward. Source: torch.nn.Module.
    """

    dump_patches = False
    _version = 1
    call_super_init = False
    _compiled_call_impl = None
    if TYPE_CHECKING:  # an annotation that every subclass would have, and whose names no program has
        forward: Callable[..., Any]
    else:
        forward = _forward_unimplemented
    __signature__ = _CallSignature()
    _call_impl = _wrapped_call_impl = ModuleBase.__call__

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "__getattr__") and not issubclass(cls, _SuperGetattr):
            cls.__bases__ += (_SuperGetattr,)

    # ---- the tree

    def children(self):
        """The direct children, each once."""
        for _, module in self.named_children():
            yield module

    def named_children(self):
        """(name, module) of the direct children, each module once."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def modules(self, remove_duplicate=True):
        """This module and all below it."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_modules(self, memo=None, prefix="", remove_duplicate=True):
        """(path, module) of this module and all below it; the own path is the prefix."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        dotted = prefix + "." if prefix else ""
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, dotted + name, remove_duplicate)

    def _named_members(self, get_members_fn, prefix="", recurse=True, remove_duplicate=True):
        seen = set()
        if recurse:
            modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        else:
            modules = [(prefix, self)]
        for path, module in modules:
            for name, value in get_members_fn(module):
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield (path + "." + name if path else name), value

    def parameters(self, recurse=True):
        """The parameters of this module and, where recurse, of all below it; each once."""
        if recurse and _C._lists_to_check(self):
            from flambeau.nn.modules._unregistered import advise

            advise(self)
        for _, value in self.named_parameters(recurse=recurse):
            yield value

    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
        """(path, parameter) of what parameters() yields."""
        return self._named_members(
            lambda module: module._parameters.items(), prefix, recurse, remove_duplicate
        )

    def buffers(self, recurse=True):
        """The buffers of this module and, where recurse, of all below it; each once."""
        for _, value in self.named_buffers(recurse=recurse):
            yield value

    def named_buffers(self, prefix="", recurse=True, remove_duplicate=True):
        """(path, buffer) of what buffers() yields."""
        return self._named_members(
            lambda module: module._buffers.items(), prefix, recurse, remove_duplicate
        )

    def get_submodule(self, target):
        """The module at a dotted path; "" is this one. AttributeError where there is none."""
        module = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target, module, strict=False):
        """Puts a module at a dotted path; strict wants one to be there already."""
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if hasattr(parent, name):
            if not isinstance(getattr(parent, name), Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        elif strict:
            raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
        setattr(parent, name, module)

    def _get_member(self, target):
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        return module, name, getattr(module, name)

    def get_parameter(self, target):
        """The parameter at a dotted path."""
        _, name, value = self._get_member(target)
        if not isinstance(value, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return value

    def get_buffer(self, target):
        """The buffer at a dotted path."""
        module, name, value = self._get_member(target)
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return value

    def apply(self, fn):
        """Calls fn on every module below this one, then on this one. Returns self."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True):
        """Sets `training` of this module and all below it. Returns self."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self):
        """train(False)."""
        return self.train(False)

    def requires_grad_(self, requires_grad=True):
        """Sets requires_grad of all parameters. Returns self."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none=True):
        """Drops the gradients of all parameters, or fills them with zeros."""
        for parameter in self.parameters():
            grad = parameter.grad
            if grad is None:
                continue
            if set_to_none:
                parameter.grad = None
                continue
            if grad.grad_fn is not None:
                grad.detach_()
            else:
                grad.requires_grad_(False)
            grad.zero_()

    # ---- pickling, names

    def __getstate__(self):
        state = self.__dict__.copy()
        state.pop("_compiled_call_impl", None)
        return state

    def __setstate__(self, state):
        self.__dict__.update(state)
        for name in (
            "_forward_pre_hooks",
            "_forward_pre_hooks_with_kwargs",
            "_forward_hooks_with_kwargs",
            "_forward_hooks_always_called",
            "_state_dict_hooks",
            "_state_dict_pre_hooks",
            "_load_state_dict_pre_hooks",
            "_load_state_dict_post_hooks",
            "_backward_pre_hooks",
        ):
            if name not in self.__dict__:
                setattr(self, name, OrderedDict())
        self.__dict__.setdefault("_non_persistent_buffers_set", set())
        self.__dict__.setdefault("_is_full_backward_hook", None)

    def _replicate_for_data_parallel(self):
        replica = self.__new__(type(self))
        replica.__dict__ = self.__dict__.copy()
        replica._parameters = {}
        replica._buffers = replica._buffers.copy()
        replica._modules = replica._modules.copy()
        replica._is_replica = True
        return replica

    def _get_name(self):
        return type(self).__name__

    def extra_repr(self):
        """What stands between the parentheses of repr before the children."""
        return ""

    def __repr__(self):
        own = self.extra_repr()
        own = own.split("\n") if own else []
        children = [
            f"({name}): {_addindent(repr(module), 2)}" for name, module in self._modules.items()
        ]
        if len(own) == 1 and not children:
            return f"{self._get_name()}({own[0]})"
        lines = "".join(f"\n  {line}" for line in own + children)
        return f"{self._get_name()}({lines}\n)" if lines else f"{self._get_name()}()"

    def __dir__(self):
        names = [
            *dir(type(self)),
            *self.__dict__,
            *self._parameters,
            *self._modules,
            *self._buffers,
        ]
        return sorted(name for name in names if not name[0].isdigit())


def _addindent(text, count):
    """Indents all lines but the first by count spaces; blank lines become empty."""
    first, *rest = text.split("\n")
    return "\n".join([first, *(" " * count + line if line.strip() else "" for line in rest)])
