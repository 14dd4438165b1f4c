"""Modules whose activations are made again for backward (source:
torch.distributed.algorithms._checkpoint.checkpoint_wrapper)."""

import enum
from functools import partial

from flambeau.nn.modules.module import Module
from flambeau.utils.checkpoint import checkpoint

_PREFIX = "_checkpoint_wrapped_module."


class CheckpointImpl(enum.Enum):
    """Which of the two ways of torch.utils.checkpoint is used."""

    REENTRANT = enum.auto()
    NO_REENTRANT = enum.auto()


class CheckpointWrapper(Module):
    """Calls a module by checkpoint. Its attributes and its state dict's names are the module's."""

    def __init__(self, mod, checkpoint_impl=CheckpointImpl.NO_REENTRANT, checkpoint_fn=None,
                 **options):
        super().__init__()
        self._checkpoint_wrapped_module = mod
        self.checkpoint_impl = checkpoint_impl
        if checkpoint_fn is None:
            options["use_reentrant"] = checkpoint_impl is CheckpointImpl.REENTRANT
            checkpoint_fn = checkpoint
        self.checkpoint_fn = partial(checkpoint_fn, **options)
        self._register_state_dict_hook(self._without_prefix)
        self.register_load_state_dict_pre_hook(self._with_prefix)

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("_checkpoint_wrapped_module"), name)

    def __getitem__(self, key):
        return self._checkpoint_wrapped_module[key]

    def named_parameters(self, *args, **kwargs):
        for name, parameter in super().named_parameters(*args, **kwargs):
            yield name.replace(_PREFIX, ""), parameter

    @staticmethod
    def _without_prefix(module, state, prefix, *rest):
        for name in [n for n in state if n.startswith(prefix + _PREFIX)]:
            state[prefix + name[len(prefix) + len(_PREFIX):]] = state.pop(name)
        return state

    @staticmethod
    def _with_prefix(module, state, prefix, *rest):
        for name in [n for n in state if n.startswith(prefix)]:
            if not name.startswith(prefix + _PREFIX):
                state[prefix + _PREFIX + name[len(prefix):]] = state.pop(name)

    def forward(self, *args, **kwargs):
        return self.checkpoint_fn(self._checkpoint_wrapped_module, *args, **kwargs)


def checkpoint_wrapper(module, checkpoint_impl=CheckpointImpl.NO_REENTRANT, checkpoint_fn=None,
                       **checkpoint_fn_kwargs):
    """The module, called by checkpoint (source: checkpoint_wrapper)."""
    return CheckpointWrapper(module, checkpoint_impl, checkpoint_fn, **checkpoint_fn_kwargs)


def apply_activation_checkpointing(model, checkpoint_wrapper_fn=checkpoint_wrapper,
                                   check_fn=lambda module: True, auto_wrap_policy=None):
    """Wraps every module inside the model for which check_fn says so, in place. NotImplementedError
    for a policy."""
    if auto_wrap_policy is not None:
        raise NotImplementedError("Flambeau wraps by check_fn, not by an auto_wrap_policy")
    for parent in list(model.modules()):
        if isinstance(parent, CheckpointWrapper):
            continue
        for name, child in list(parent.named_children()):
            if check_fn(child):
                setattr(parent, name, checkpoint_wrapper_fn(child))
