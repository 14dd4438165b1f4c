"""nn.Module: the base of all layers and models (source: torch.nn.Module).

Registration, attribute access and calls are in C (`_C.ModuleBase`, src/python/module.c); here is
what is not hot: hooks, state dicts, walks over the tree, conversion, repr. Attribute names, the
layout of state dicts and the words of errors are PyTorch's.
"""
from __future__ import annotations

from _collections import OrderedDict
from weakref import ref

import flambeau
from flambeau._C import (
    ModuleBase,
    _global_backward_hooks,
    _global_backward_pre_hooks,
    _global_buffer_registration_hooks,
    _global_forward_hooks,
    _global_forward_pre_hooks,
    _global_module_registration_hooks,
    _global_parameter_registration_hooks,
)
from flambeau.nn.parameter import Parameter
from flambeau.utils.hooks import RemovableHandle

__all__ = [
    "Module",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

_EXTRA_STATE = "_extra_state"
_MIXED_HOOKS = ("Cannot use both regular backward hooks and full backward hooks {}. "
                "Please use only one of them.")


def _warn(message, kind=UserWarning):
    import warnings
    warnings.warn(message, kind, stacklevel=3)


class _IncompatibleKeys(tuple):
    """What load_state_dict returns: (missing_keys, unexpected_keys), with names."""

    __slots__ = ()
    _fields = ("missing_keys", "unexpected_keys")

    def __new__(cls, missing_keys, unexpected_keys):
        return tuple.__new__(cls, (missing_keys, unexpected_keys))

    def __getnewargs__(self):
        return tuple(self)

    missing_keys = property(lambda self: self[0])
    unexpected_keys = property(lambda self: self[1])

    def __repr__(self):
        if not self[0] and not self[1]:
            return "<All keys matched successfully>"
        return f"{type(self).__name__}(missing_keys={self[0]!r}, unexpected_keys={self[1]!r})"

    __str__ = __repr__


class _WrappedHook:
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


def _hang(hooks, hook, prepend=False, marks=()):
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
    return _hang(_global_buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook):
    """hook(module, name, submodule) sees, and may replace, every child that is registered."""
    return _hang(_global_module_registration_hooks, hook)


def register_module_parameter_registration_hook(hook):
    """hook(module, name, param) sees, and may replace, every parameter that is registered."""
    return _hang(_global_parameter_registration_hooks, hook)


def register_module_forward_pre_hook(hook):
    """hook(module, args) runs before every module's forward and may return other arguments."""
    return _hang(_global_forward_pre_hooks, hook)


def register_module_forward_hook(hook, *, with_kwargs=False, always_call=False):
    """hook(module, args, output) runs after every module's forward and may return another output.
    """
    return _hang(
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
    return _hang(_global_backward_hooks, hook)


def register_module_backward_hook(hook):
    """The older kind of register_module_full_backward_hook."""
    return _register_global_backward(hook, False)


def register_module_full_backward_hook(hook):
    """hook(module, grad_input, grad_output) runs when every module's input gradients are known."""
    return _register_global_backward(hook, True)


def register_module_full_backward_pre_hook(hook):
    """hook(module, grad_output) runs before every module's gradients are computed."""
    return _hang(_global_backward_pre_hooks, hook)


# ---- The class -----------------------------------------------------------------------------------

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


class Module(ModuleBase):
    """Base class of all layers and models: a tree of children, parameters and buffers with a
    forward method.

    Parameters, buffers and modules that are assigned as attributes are registered; calling the
    module runs its hooks and forward. Source: torch.nn.Module.
    """

    dump_patches = False
    _version = 1
    call_super_init = False
    _compiled_call_impl = None
    forward = _forward_unimplemented
    _call_impl = _wrapped_call_impl = ModuleBase.__call__

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "__getattr__") and not issubclass(cls, _SuperGetattr):
            cls.__bases__ += (_SuperGetattr,)

    # ---- hooks

    def register_forward_pre_hook(self, hook, *, prepend=False, with_kwargs=False):
        """hook(module, args) (or args, kwargs) runs before forward and may return other arguments.
        """
        return _hang(self._forward_pre_hooks, hook, prepend,
                     [(self._forward_pre_hooks_with_kwargs, with_kwargs)])

    def register_forward_hook(self, hook, *, prepend=False, with_kwargs=False, always_call=False):
        """hook(module, args, output) (or args, kwargs, output) runs after forward and may return
        another output."""
        return _hang(
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
        return _hang(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook, prepend=False):
        """hook(module, grad_input, grad_output) runs when the inputs' gradients are known and may
        return others."""
        if self._is_full_backward_hook is False:
            raise RuntimeError(_MIXED_HOOKS.format("on a single Module"))
        self._is_full_backward_hook = True
        return _hang(self._backward_hooks, hook, prepend)

    def register_backward_hook(self, hook):
        """The older kind of register_full_backward_hook: sees the gradients of the last operator
        only."""
        if self._is_full_backward_hook is True:
            raise RuntimeError(_MIXED_HOOKS.format("on a single Module"))
        self._is_full_backward_hook = False
        return _hang(self._backward_hooks, hook)

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

    def train(self, mode=True):
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

    # ---- conversion

    def _apply(self, fn, recurse=True):
        """Replaces every parameter's data, its gradient's, and every buffer by fn of it. Returns
        self."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for parameter in self._parameters.values():
            if parameter is None:
                continue
            grad = parameter.grad
            with flambeau.no_grad():
                converted = fn(parameter)
                converted_grad = None if grad is None else fn(grad)
            if grad is not None:
                parameter.grad = None
            parameter.data = converted
            if grad is not None:
                grad.data = converted_grad
                parameter.grad = grad
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args, **kwargs):
        """to(device=None, dtype=None, non_blocking=False), to(dtype), to(tensor): moves and
        converts in place.

        Only floating-point tensors change their dtype. Returns self.
        """
        device, dtype, non_blocking, memory_format = _parse_to(*args, **kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                f"dtype={dtype}"
            )

        def convert(t):
            wanted = (
                dtype
                if dtype is not None and (t.is_floating_point() or t.is_complex())
                else t.dtype
            )
            options = {} if device is None else {"device": device}
            if memory_format is not None and t.dim() in (4, 5):
                options["memory_format"] = memory_format
            return t.to(dtype=wanted, non_blocking=non_blocking, **options)
        return self._apply(convert)

    def cpu(self):
        """Moves everything to the CPU. Returns self."""
        return self._apply(lambda t: t.cpu())

    def cuda(self, device=None):
        """Moves everything to a CUDA device. Returns self."""
        return self._apply(lambda t: t.cuda(device))

    def type(self, dst_type):
        """Converts every parameter and buffer to dst_type. Returns self."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self):
        """Converts floating-point parameters and buffers to float32. Returns self."""
        return self._apply(lambda t: t.float() if t.is_floating_point() else t)

    def double(self):
        """Converts floating-point parameters and buffers to float64. Returns self."""
        return self._apply(lambda t: t.double() if t.is_floating_point() else t)

    def half(self):
        """Converts floating-point parameters and buffers to float16. Returns self."""
        return self._apply(lambda t: t.half() if t.is_floating_point() else t)

    def bfloat16(self):
        """Converts floating-point parameters and buffers to bfloat16. Returns self."""
        return self._apply(lambda t: t.bfloat16() if t.is_floating_point() else t)

    def to_empty(self, *, device, recurse=True):
        """Moves to a device without the values. Returns self."""
        return self._apply(lambda t: flambeau.empty_like(t, device=device), recurse=recurse)

    def share_memory(self):
        """Moves everything to memory that processes share. Returns self."""
        return self._apply(lambda t: t.share_memory_())

    def compile(self, *args, **kwargs):
        """Accepted: a call already runs at full speed (source: torch.nn.Module.compile)."""

    # ---- state dicts

    def get_extra_state(self):
        """What a subclass wants in its state dict beside tensors; used where it is overridden."""
        raise RuntimeError(
            "Reached a code path in Module.get_extra_state() that should never be called."
        )

    def set_extra_state(self, state):
        """Takes what get_extra_state gave; used where it is overridden."""
        raise RuntimeError(
            "Reached a code path in Module.set_extra_state() that should never be called."
        )

    def _register_state_dict_hook(self, hook):
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was previously "
                "registered via register_state_dict_post_hook"
            )
        return _hang(self._state_dict_hooks, hook)

    def register_state_dict_post_hook(self, hook):
        """hook(module, state_dict, prefix, local_metadata) runs after state_dict() and changes it
        in place."""
        hook._from_public_api = True
        return _hang(self._state_dict_hooks, hook)

    def register_state_dict_pre_hook(self, hook):
        """hook(module, prefix, keep_vars) runs before state_dict()."""
        return _hang(self._state_dict_pre_hooks, hook)

    def _register_load_state_dict_pre_hook(self, hook, with_module=False):
        return _hang(
            self._load_state_dict_pre_hooks, _WrappedHook(hook, self if with_module else None)
        )

    def register_load_state_dict_pre_hook(self, hook):
        """hook(module, state_dict, prefix, local_metadata, strict, missing, unexpected, errors)
        runs before loading."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def register_load_state_dict_post_hook(self, hook):
        """hook(module, incompatible_keys) runs after loading and may change the lists of keys in
        place."""
        return _hang(self._load_state_dict_post_hooks, hook)

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        """Puts this module's own parameters and persistent buffers into destination."""
        left_out = self._non_persistent_buffers_set
        for members, skipped in ((self._parameters, ()), (self._buffers, left_out)):
            for name, value in members.items():
                if value is not None and name not in skipped:
                    destination[prefix + name] = value if keep_vars else value.detach()
        if type(self).get_extra_state is not Module.get_extra_state:
            destination[prefix + _EXTRA_STATE] = self.get_extra_state()

    def state_dict(self, *args, destination=None, prefix="", keep_vars=False):
        """An ordered dictionary of all parameters and persistent buffers by path, detached unless
        keep_vars."""
        if args:
            _warn(
                "Positional args are being deprecated, use kwargs instead. Refer to"
                " https://pytorch.org/docs/main/generated/torch.nn.Module.html"
                "#torch.nn.Module.state_dict for details.",
                FutureWarning,
            )
            destination = args[0] if destination is None else destination
            prefix = args[1] if len(args) > 1 and prefix == "" else prefix
            keep_vars = args[2] if len(args) > 2 and keep_vars is False else keep_vars
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=prefix + name + ".", keep_vars=keep_vars
                )
        for hook in self._state_dict_hooks.values():
            result = hook(self, destination, prefix, local_metadata)
            if result is not None:
                if getattr(hook, "_from_public_api", False):
                    raise RuntimeError("state_dict post-hook must return None")
                destination = result
        return destination

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ):
        """Takes this module's own entries out of state_dict; problems are appended to the three
        lists."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(
                state_dict,
                prefix,
                local_metadata,
                strict,
                missing_keys,
                unexpected_keys,
                error_msgs,
            )
        own = {name: value for name, value in self._parameters.items() if value is not None}
        own.update((name, value) for name, value in self._buffers.items()
                   if value is not None and name not in self._non_persistent_buffers_set)
        assign = local_metadata.get("assign_to_params_buffers", False)
        for name, value in own.items():
            if prefix + name in state_dict:
                self._load_one(
                    name, value, prefix + name, state_dict[prefix + name], assign, error_msgs
                )
            elif strict:
                missing_keys.append(prefix + name)

        extra = prefix + _EXTRA_STATE
        if type(self).set_extra_state is not Module.set_extra_state:
            if extra in state_dict:
                self.set_extra_state(state_dict[extra])
            elif strict:
                missing_keys.append(extra)
        elif strict and extra in state_dict:
            unexpected_keys.append(extra)

        if strict:
            for key in state_dict:
                if key.startswith(prefix) and key != extra:
                    name, dot, _ = key[len(prefix):].partition(".")
                    if name not in (self._modules if dot else own):
                        unexpected_keys.append(key)

    def _load_one(self, name, value, key, given, assign, error_msgs):
        """Copies, or assigns, one entry of a state dict."""
        if not isinstance(given, flambeau.Tensor):
            error_msgs.append(
                f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like'
                f" object from checkpoint but received {type(given)}"
            )
            return
        if value.dim() == 0 and given.dim() == 1 and given.shape[0] == 1:
            given = given[0]  # Very old checkpoints have scalars in one dimension.
        if given.shape != value.shape:
            error_msgs.append(
                f"size mismatch for {key}: copying a param with shape {given.shape} from"
                f" checkpoint, the shape in current model is {value.shape}."
            )
            return
        try:
            with flambeau.no_grad():
                if not assign:
                    value.copy_(given)
                    return
                if isinstance(value, Parameter):
                    if isinstance(given, Parameter):
                        given.requires_grad_(value.requires_grad)
                    else:
                        given = Parameter(given, requires_grad=value.requires_grad)
                setattr(self, name, given)
        except Exception as error:
            error_msgs.append(
                f'While copying the parameter named "{key}", whose dimensions in the model are'
                f" {value.size()} and whose dimensions in the checkpoint are {given.size()}, an"
                f" exception occurred : {error.args}."
            )

    def load_state_dict(self, state_dict, strict=True, assign=False):
        """Copies the entries of a state dict into the parameters and buffers, or with assign takes
        them as they are.

        RuntimeError lists every entry that does not fit and, where strict, all that is missing or
        not expected. Returns (missing_keys, unexpected_keys).
        """
        from _collections_abc import Mapping
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        missing, unexpected, errors = [], [], []
        metadata = getattr(state_dict, "_metadata", None)
        state_dict = OrderedDict(state_dict)
        if metadata is not None:
            state_dict._metadata = metadata
        self._load_tree(state_dict, "", metadata, assign, missing, unexpected, errors)
        if strict:
            for keys, what in ((unexpected, "Unexpected"), (missing, "Missing")):
                if keys:
                    names = ", ".join(f'"{key}"' for key in keys)
                    errors.insert(0, f"{what} key(s) in state_dict: {names}. ")
        if errors:
            raise RuntimeError("Error(s) in loading state_dict for {}:\n\t{}".format(
                type(self).__name__, "\n\t".join(errors)))
        return _IncompatibleKeys(missing, unexpected)

    def _load_tree(self, state_dict, prefix, metadata, assign, missing, unexpected, errors):
        local_metadata = {} if metadata is None else metadata.get(prefix[:-1], {})
        if assign:
            local_metadata["assign_to_params_buffers"] = assign
        self._load_from_state_dict(
            state_dict, prefix, local_metadata, True, missing, unexpected, errors
        )
        for name, child in self._modules.items():
            if child is not None:
                path = prefix + name + "."
                below = {key: value for key, value in state_dict.items() if key.startswith(path)}
                Module._load_tree(child, below, path, metadata, assign, missing, unexpected, errors)
        keys = _IncompatibleKeys(missing, unexpected)
        for hook in self._load_state_dict_post_hooks.values():
            if hook(self, keys) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not expected"
                    " to return new values, if incompatible_keys need to be modified, it should be"
                    " done inplace."
                )

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


def _parse_to(
    *args,
    device=None,
    dtype=None,
    non_blocking=False,
    copy=False,
    memory_format=None,
    tensor=None,
    other=None,
):
    """The arguments of to(...) in any of its forms, as (device, dtype, non_blocking,
    memory_format)."""
    args = list(args)
    tensor = other if tensor is None else tensor
    if args and isinstance(args[0], flambeau.Tensor):
        tensor = args.pop(0)
    elif args and isinstance(args[0], flambeau.dtype):
        dtype = args.pop(0)
    elif args:
        device = args.pop(0)
        if args and (args[0] is None or isinstance(args[0], flambeau.dtype)):
            dtype = args.pop(0)
    if tensor is not None:
        device, dtype = tensor.device, tensor.dtype
    if args:
        non_blocking = args.pop(0)
    if len(args) > 1 or not (device is None or isinstance(device, (str, int, flambeau.device))):
        raise TypeError("to() received an invalid combination of arguments")
    return None if device is None else flambeau.device(device), dtype, non_blocking, memory_format
