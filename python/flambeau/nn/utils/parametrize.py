"""Parameters and buffers that are functions of others (source: torch.nn.utils.parametrize).

The module gets a class of its own, with a property in the place of the tensor; the property
computes it from module.parametrizations.NAME, a list of modules that also holds what they start
from.
"""
from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from copy import deepcopy

import flambeau
from flambeau.nn.modules.container import ModuleDict, ModuleList
from flambeau.nn.parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

_Tensor = flambeau.Tensor

# How many cached() contexts are open, and what they keep: (id of module, name) -> tensor.
_cache_enabled = 0
_cache = {}


@contextmanager
def cached():
    """A context in which every parametrized tensor is computed once, when it is first read."""
    global _cache_enabled
    _cache_enabled += 1
    try:
        yield
    finally:
        _cache_enabled -= 1
        if not _cache_enabled:
            _cache.clear()


def _register(module, name, tensor):
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _check_same(old, new, head, old_label, new_label, what=("dtype", "shape")):
    """ValueError where a parametrization changes the dtype or shape of a tensor."""
    for kind in what:
        before, after = getattr(old, kind), getattr(new, kind)
        if before != after:
            raise ValueError(
                head.format(kind=kind) + f"\n{old_label.format(kind=kind)}: {before}"
                f"\n{new_label.format(kind=kind)}: {after}"
            )


def _check_tensor(value, head, given="Got"):
    if not isinstance(value, _Tensor):
        raise ValueError(f"{head}. {given} {type(value).__name__}")


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, applied one after the other, and what the first is given:
    `original`, or original0, original1, ... where its right_inverse gives several tensors.

    unsafe: dtype and shape may change, and are not checked.
    """

    def __init__(self, modules, original, unsafe=False):
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        with flambeau.no_grad():
            new = original
            for module in reversed(self):
                if hasattr(module, "right_inverse"):
                    try:
                        new = module.right_inverse(new)
                    except NotImplementedError:
                        pass
        if not isinstance(new, (_Tensor, Sequence)):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...)."
                f" Got {type(new).__name__}"
            )
        self.is_tensor = isinstance(new, _Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        was = original.detach()  # keeps the shape and dtype
        if self.is_tensor:
            _check_same(original, new,
                        "When `right_inverse` outputs one tensor, it may not change the {kind}.",
                        "original.{kind}", "right_inverse(original).{kind}", ("dtype", "device"))
            with flambeau.no_grad():
                original.set_(new)
            _register(self, "original", original)
        else:
            self._keep_several(original, new)
        if not self.unsafe:
            made = self()
            _check_tensor(made, "A parametrization must return a tensor")
            _check_same(was, made, "Registering a parametrization may not change the {kind} of the"
                        " tensor, unless `unsafe` flag is enabled.",
                        "unparametrized {kind}", "parametrized {kind}")

    def _keep_several(self, original, new):
        for i, tensor in enumerate(new):
            if not isinstance(tensor, _Tensor):
                raise ValueError(
                    "'right_inverse' must return a Tensor or a Sequence of tensors (list,"
                    f" tuple...). Got element {i} of the sequence with type"
                    f" {type(tensor).__name__}."
                )
            if isinstance(original, Parameter):
                tensor = Parameter(tensor, original.requires_grad)
            tensor.requires_grad_(original.requires_grad)
            _register(self, f"original{i}", tensor)

    def right_inverse(self, value):
        """Makes value the parametrized tensor, by the right_inverse of all parametrizations."""
        with flambeau.no_grad():
            for module in reversed(self):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                value = module.right_inverse(value)
            if self.is_tensor:
                _check_tensor(value, "`right_inverse` should return a tensor")
                if value.dtype != self.original.dtype:
                    raise ValueError(
                        f"The tensor returned by `right_inverse` has dtype {value.dtype} while"
                        f" `original` has dtype {self.original.dtype}"
                    )
                self.original.set_(value)
            else:
                self._set_several(value)

    def _set_several(self, values):
        if not isinstance(values, Sequence):
            raise ValueError(
                "'right_inverse' must return a sequence of tensors. Got"
                f" {type(values).__name__}."
            )
        if len(values) != self.ntensors:
            raise ValueError(
                "'right_inverse' must return a sequence of tensors of length"
                f" {self.ntensors}. Got a sequence of length {len(values)}."
            )
        for i, tensor in enumerate(values):
            original = getattr(self, f"original{i}")
            if not isinstance(tensor, _Tensor):
                raise ValueError(
                    "'right_inverse' must return a sequence of tensors or reference-type opaques."
                    f" Got element {i} of type {type(tensor).__name__}."
                )
            if original.dtype != tensor.dtype:
                raise ValueError(
                    f"Tensor {i} returned by `right_inverse` has dtype {tensor.dtype} while"
                    f" `original{i}` has dtype {original.dtype}"
                )
            original.set_(tensor)

    def forward(self):
        first, *others = self
        if self.is_tensor:
            value = first(self.original)
        else:
            value = first(*(getattr(self, f"original{i}") for i in range(self.ntensors)))
        for module in others:
            value = module(value)
        return value


def _inject_class(module):
    """Gives a module a class of its own, derived from its class, to hang properties on."""
    def copy(self, memo):
        if id(self) not in memo:
            replica = memo[id(self)] = self.__new__(type(self))
            replica.__dict__ = deepcopy(self.__dict__, memo)
        return memo[id(self)]

    def refuse(self):
        raise RuntimeError(
            "Serialization of parametrized modules is only supported through state_dict(). See:\n"
            "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
            "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
        )

    cls = type(module)
    names = {"__getstate__": refuse, "__module__": ParametrizationList.__module__}
    if not hasattr(cls, "__deepcopy__"):
        names["__deepcopy__"] = copy
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), names)


def _inject_property(module, tensor_name):
    if hasattr(module, tensor_name):
        raise AssertionError(f"Module already has an attribute named '{tensor_name}'")

    def read(self):
        parametrization = self.parametrizations[tensor_name]
        if not _cache_enabled:
            return parametrization()
        key = id(self), tensor_name
        if key not in _cache:
            _cache[key] = parametrization()
        return _cache[key]

    def write(self, value):
        self.parametrizations[tensor_name].right_inverse(value)

    setattr(type(module), tensor_name, property(read, write))


def register_parametrization(module, tensor_name, parametrization, *, unsafe=False):
    """From now on module.NAME is parametrization(what it was), and so on for further ones.

    parametrization: a module; its right_inverse(tensor), where it has one, gives what it starts
    from, a tensor or several, and lets module.NAME be assigned to. unsafe: dtype and shape may
    change, and nothing is checked. ValueError where NAME is no parameter or buffer or a check
    fails. Returns the module.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _check_further(module, tensor_name, parametrization)
        parametrizations = module.parametrizations[tensor_name]
        parametrizations.append(parametrization)
        parametrizations.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        parametrizations = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _inject_class(module)
            module.parametrizations = ModuleDict()
        _inject_property(module, tensor_name)
        module.parametrizations[tensor_name] = parametrizations
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element"
            f" with name '{tensor_name}'"
        )
    return module


def _check_further(module, tensor_name, parametrization):
    """Checks a parametrization that follows others: it keeps the tensor's dtype and shape, and so
    does its right_inverse."""
    before = getattr(module, tensor_name)
    after = parametrization(before)
    label, head = f"module.{tensor_name}.{{kind}}", (
        "Registering a parametrization may not change the {kind} of the tensor, unless the `unsafe`"
        " flag is enabled.")
    _check_tensor(after, "A parametrization must return a tensor")
    _check_same(before, after, head, label, f"parametrization(module.{tensor_name}).{{kind}}")
    if not hasattr(parametrization, "right_inverse"):
        return
    try:
        back = parametrization.right_inverse(after)
    except NotImplementedError:
        return
    _check_tensor(back, "parametrization.right_inverse must return a tensor", "Got:")
    _check_same(before, back, "The tensor returned by parametrization.right_inverse must have the"
                f" same {{kind}} as module.{tensor_name}, unless the `unsafe` flag is enabled.",
                label, "returned {kind}")


def is_parametrized(module, tensor_name=None):
    """Whether a tensor of the module is parametrized, or any where no name is given."""
    parametrizations = getattr(module, "parametrizations", None)
    if not isinstance(parametrizations, ModuleDict):
        return False
    return len(parametrizations) > 0 if tensor_name is None else tensor_name in parametrizations


def remove_parametrizations(module, tensor_name, leave_parametrized=True):
    """Takes all parametrizations of a tensor away; it keeps its present value, or gets the original
    one back. Returns the module.

    ValueError where there are none, or where the original is several tensors and is asked back.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    parametrizations = module.parametrizations[tensor_name]
    if parametrizations.is_tensor:
        original = parametrizations.original
        if leave_parametrized:
            with flambeau.no_grad():
                original.set_(getattr(module, tensor_name))
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is"
            " parametrized in terms of a sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module):
    """The class that a module had before its first parametrization."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(from_module, to_module, tensor_name=None):
    """Gives a module the parametrizations of another one, of one tensor or of all, and the tensors
    they start from. Returns to_module."""
    if not is_parametrized(from_module):
        return to_module
    names = list(from_module.parametrizations) if tensor_name is None else [tensor_name]
    for name in names:
        source = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name)))
        for parametrization in source:
            register_parametrization(to_module, name, parametrization)
        target = to_module.parametrizations[name]
        if source.is_tensor:
            target.original = source.original
        else:
            for i in range(source.ntensors):
                setattr(target, f"original{i}", getattr(source, f"original{i}"))
    return to_module
