"""Modules that learn the shapes of their parameters from their first input (source:
torch.nn.modules.lazy)."""
from __future__ import annotations

from flambeau.nn.parameter import is_lazy

__all__ = ["LazyModuleMixin"]


class LazyModuleMixin:
    """Stands before the base of a module whose parameters are UninitializedParameters.

    Before the first forward, initialize_parameters(*args, **kwargs) gets the arguments and
    materializes them; then the module becomes one of class cls_to_become, where that is not None.
    Loading the state of an initialized module does the first half.
    """

    cls_to_become = None

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(
            self._infer_parameters, with_kwargs=True
        )

    def _members(self):
        return [*self._parameters.items(), *self._buffers.items()]

    def _lazy_load_hook(self, state_dict, prefix, local_metadata, strict, missing_keys,
                        unexpected_keys, error_msgs):
        """Gives what waits for a shape those of the entries that are about to be loaded."""
        for name, value in self._members():
            given = state_dict.get(prefix + name)
            if is_lazy(value) and given is not None and not is_lazy(given):
                value.materialize(given.shape)

    def initialize_parameters(self, *args, **kwargs):
        """Materializes the parameters for an input; every lazy module defines it."""
        raise NotImplementedError(
            f"initialize_parameters is not implemented for {type(self).__name__}"
        )

    def has_uninitialized_params(self):
        """Whether a parameter or buffer waits for its shape."""
        return any(is_lazy(value) for _, value in self._members())

    def _infer_parameters(self, module, args, kwargs=None):
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {self._get_name()} has not been fully initialized")
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook, module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become

    def _replicate_for_data_parallel(self):
        raise RuntimeError(
            "Modules with uninitialized parameters can't be used with `DataParallel`. Run a dummy"
            " forward pass to correctly initialize the modules"
        )
