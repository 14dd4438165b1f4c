"""State dicts of modules, saved and loaded (source: torch.nn.Module)."""
from __future__ import annotations

import warnings

from _collections import OrderedDict

import flambeau
from flambeau import _advice
from flambeau._hint import noted, speaks_chinese
from flambeau.nn.modules._hook_registry import WrappedHook, hang, warn
from flambeau.nn.parameter import Parameter, is_lazy

TYPE_CHECKING = False  # a type checker reads what follows; no program does
if TYPE_CHECKING:
    from typing import Any

_EXTRA_STATE = "_extra_state"


def _entry_that_fits(module, state_dict):
    """The key of a checkpoint whose value is a state of the module; None."""
    own = module.state_dict()
    for key, value in state_dict.items():
        if isinstance(value, dict) and own and own.keys() == value.keys():
            return key
    return None


def _advise_of_own(module, state_dict):
    """Advises on a state that is the module's own, kept without a copy: loading it changes nothing."""
    shared = False
    for name, parameter in module.named_parameters():
        value = state_dict.get(name)
        if not isinstance(value, flambeau.Tensor) or is_lazy(parameter) or is_lazy(value):
            return
        if value.device != parameter.device or value.data_ptr() != parameter.data_ptr():
            return
        shared = shared or parameter.data_ptr() != 0
    if shared:
        _advice.warn(
            "state_not_copied",
            "要加载的 state_dict 就是模型自己的张量：state_dict() 并不复制，训练会一直改变它，"
            "加载它不起任何作用。\n"
            "提示：保存时请复制：best = copy.deepcopy(model.state_dict())，或 torch.save 到文件。"
            if speaks_chinese()
            else "The state_dict that is loaded is made of the model's own tensors: state_dict() copies "
            "nothing, training went on changing it, and loading it does nothing.\n"
            "hint: copy it where it is kept: best = copy.deepcopy(model.state_dict()), or torch.save it "
            "to a file.",
        )


def _fix(module, state_dict, missing, unexpected):
    """What to do about a state dict that does not fit, in English and Chinese."""
    for strip in ("module.", "_orig_mod."):
        if unexpected and all(key.startswith(strip) for key in unexpected):
            code = f"{{k.removeprefix('{strip}'): v for k, v in state.items()}}"
            return (
                f"the state was saved from a wrapped model (DataParallel, compile): load {code}.",
                f"该状态保存自被包装的模型（DataParallel、compile），键名多了 '{strip}'："
                f"请加载 {code}。",
            )
    key = _entry_that_fits(module, state_dict)
    if key is not None:
        return (
            f"this is a whole checkpoint: the model's state is its entry {key!r}, "
            f"model.load_state_dict(checkpoint[{key!r}]).",
            f"这是整个检查点，模型的状态在 {key!r} 这一项里："
            f"model.load_state_dict(checkpoint[{key!r}])。",
        )
    if missing or unexpected:
        return (
            f"the state comes from another structure than this {type(module).__name__}: build the "
            "model as it was when saved; strict=False loads what fits by name.",
            f"该状态来自与此 {type(module).__name__} 结构不同的模型：请按保存时的结构建立模型；"
            "strict=False 只加载名称相符的部分。",
        )
    return (
        "the state comes from layers of other sizes: build the model with the sizes it was saved "
        "with; to keep all but a new last layer, leave its keys out and load with strict=False.",
        "该状态中层的大小与模型不同：请按保存时的大小建立模型；若只想换掉最后一层，"
        "请去掉它的键，再用 strict=False 加载。",
    )


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


class StateDict:
    """The methods of Module that give and take its state."""

    __slots__ = ()

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
        return hang(self._state_dict_hooks, hook)

    def register_state_dict_post_hook(self, hook):
        """hook(module, state_dict, prefix, local_metadata) runs after state_dict() and changes it
        in place."""
        hook._from_public_api = True
        return hang(self._state_dict_hooks, hook)

    def register_state_dict_pre_hook(self, hook):
        """hook(module, prefix, keep_vars) runs before state_dict()."""
        return hang(self._state_dict_pre_hooks, hook)

    def _register_load_state_dict_pre_hook(self, hook, with_module=False):
        return hang(
            self._load_state_dict_pre_hooks, WrappedHook(hook, self if with_module else None)
        )

    def register_load_state_dict_pre_hook(self, hook):
        """hook(module, state_dict, prefix, local_metadata, strict, missing, unexpected, errors)
        runs before loading."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def register_load_state_dict_post_hook(self, hook):
        """hook(module, incompatible_keys) runs after loading and may change the lists of keys in
        place."""
        return hang(self._load_state_dict_post_hooks, hook)

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        """Puts this module's own parameters and persistent buffers into destination."""
        left_out = self._non_persistent_buffers_set
        for members, skipped in ((self._parameters, ()), (self._buffers, left_out)):
            for name, value in members.items():
                if value is not None and name not in skipped:
                    kept = keep_vars or is_lazy(value)
                    destination[prefix + name] = value if kept else value.detach()
        if type(self).get_extra_state is not StateDict.get_extra_state:
            destination[prefix + _EXTRA_STATE] = self.get_extra_state()

    def state_dict(self, *args, destination=None, prefix="", keep_vars=False) -> dict[str, Any]:
        """An ordered dictionary of all parameters and persistent buffers by path, detached unless
        keep_vars."""
        if args:
            warn(
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
        if type(self).set_extra_state is not StateDict.set_extra_state:
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
        waits = is_lazy(value)
        if not waits and value.dim() == 0 and len(given.shape) == 1 and given.shape[0] == 1:
            given = given[0]  # Very old checkpoints have scalars in one dimension.
        if not waits and given.shape != value.shape:
            error_msgs.append(
                f"size mismatch for {key}: copying a param with shape {given.shape} from"
                f" checkpoint, the shape in current model is {value.shape}."
            )
            return
        try:
            with flambeau.no_grad():
                if not assign:
                    if value.is_meta and not given.is_meta:
                        warnings.warn(
                            f"for {key}: copying from a non-meta parameter in the checkpoint to a "
                            "meta parameter in the current model, which is a no-op. (Did you mean "
                            "to pass `assign=True` to assign items in the state dictionary to "
                            "their corresponding key in the module instead of copying them in "
                            "place?)",
                            stacklevel=2,
                        )
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
        if not assign:
            _advise_of_own(self, state_dict)
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
            error = RuntimeError("Error(s) in loading state_dict for {}:\n\t{}".format(
                type(self).__name__, "\n\t".join(errors)))
            raise noted(error, *_fix(self, state_dict, missing, unexpected))
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
                StateDict._load_tree(
                    child, below, path, metadata, assign, missing, unexpected, errors
                )
        keys = _IncompatibleKeys(missing, unexpected)
        for hook in self._load_state_dict_post_hooks.values():
            if hook(self, keys) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not expected"
                    " to return new values, if incompatible_keys need to be modified, it should be"
                    " done inplace."
                )
