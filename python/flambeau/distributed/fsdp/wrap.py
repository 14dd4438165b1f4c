"""Which parts of a module would be spread on their own (source: torch.distributed.fsdp.wrap)."""

import contextlib
import functools


def always_wrap_policy(*args, **kwargs):
    return True


def lambda_auto_wrap_policy(module, recurse, nonwrapped_numel, lambda_fn):
    """Whether lambda_fn says so of the module; parts are always asked."""
    return recurse or lambda_fn(module)


def transformer_auto_wrap_policy(module, recurse, nonwrapped_numel, transformer_layer_cls):
    """Whether the module is of one of these classes; parts are always asked."""
    return recurse or isinstance(module, tuple(transformer_layer_cls))


def size_based_auto_wrap_policy(module, recurse, nonwrapped_numel, min_num_params=int(1e8),
                                force_leaf_modules=None, exclude_wrap_modules=None):
    """Whether the module has as many parameters that nothing else took, and is none of a list."""
    from flambeau import nn

    leaves = force_leaf_modules or {nn.MultiheadAttention}
    excluded = exclude_wrap_modules or {nn.ModuleList, nn.ModuleDict}
    large = nonwrapped_numel >= min_num_params
    listed = leaves if recurse else excluded
    return large and not isinstance(module, tuple(listed))


class ModuleWrapPolicy:
    """Modules of some classes."""

    def __init__(self, module_classes):
        self._module_classes = set(module_classes)

    def __call__(self, module, recurse, *args, **kwargs):
        return recurse or isinstance(module, tuple(self._module_classes))

    def _run_policy(self, root_module, ignored_modules, root_kwargs):
        """The modules that are of those classes, each with a copy of the root's kwargs."""
        classes = tuple(self._module_classes)
        return {module: dict(root_kwargs) for module in root_module.modules()
                if module not in ignored_modules and isinstance(module, classes)}


class CustomPolicy:
    """What a function says of each module: False, True, or kwargs of its own."""

    def __init__(self, lambda_fn):
        self._lambda_fn = lambda_fn

    def _run_policy(self, root_module, ignored_modules, root_kwargs):
        """The modules of which the function says yes, each with the root's kwargs and its own.
        ValueError where it says neither False, nor True, nor a dict."""
        chosen = {}
        for module in root_module.modules():
            if module in ignored_modules:
                continue
            said = self._lambda_fn(module)
            if not isinstance(said, (dict, bool)):
                raise ValueError(
                    "The lambda_fn passed to CustomPolicy should return False/True or a kwarg "
                    f"dict, but it returned {said}"
                )
            if said:
                chosen[module] = root_kwargs | (said if isinstance(said, dict) else {})
        return chosen


_wrapper = None


@contextlib.contextmanager
def enable_wrap(*, wrapper_cls, **wrapper_kwargs):
    """Within, wrap(module) gives wrapper_cls(module, **wrapper_kwargs)."""
    global _wrapper
    before, _wrapper = _wrapper, functools.partial(wrapper_cls, **wrapper_kwargs)
    try:
        yield
    finally:
        _wrapper = before


def wrap(module, **wrap_overrides):
    """The module; wrapped within enable_wrap."""
    return module if _wrapper is None else _wrapper(module, **wrap_overrides)
