"""Pruning: parts of parameters held at zero (source: torch.nn.utils.prune).

A pruned parameter `name` becomes a plain tensor, name_orig times the buffer name_mask; a hook, the
pruning method itself, computes it before every forward. Methods that follow each other on one
parameter are held by a PruningContainer.
"""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from numbers import Integral, Real

import flambeau
from flambeau.nn.utils.convert_parameters import parameters_to_vector


class BasePruningMethod(ABC):
    """A way to choose what is pruned: subclasses define compute_mask and PRUNING_TYPE,
    "unstructured" (elements), "structured" (slices along self.dim) or "global"."""

    _tensor_name: str

    def __call__(self, module, inputs):
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t, default_mask):
        """The mask of t, which prunes in addition to default_mask, of t's shape."""

    def apply_mask(self, module):
        """The pruned parameter of a module."""
        if self._tensor_name is None:
            raise AssertionError(f"Module {module} has to be pruned")
        original = getattr(module, self._tensor_name + "_orig")
        return getattr(module, self._tensor_name + "_mask").to(dtype=original.dtype) * original

    @classmethod
    def apply(cls, module, name, *args, importance_scores=None, **kwargs):
        """Prunes a parameter by the method cls(*args, **kwargs), chosen by importance_scores, a
        tensor of its shape, or by the parameter itself. Returns the method, or the container."""
        method = cls._method_of(module, name, args, kwargs)
        tensor = getattr(module, name)
        if importance_scores is None:
            importance_scores = tensor
        elif importance_scores.shape != tensor.shape:
            raise AssertionError(
                f"importance_scores should have the same shape as parameter {name} of {module}"
            )
        again = isinstance(method, PruningContainer)
        if again:
            default_mask = getattr(module, name + "_mask").detach().clone()
        else:
            original = module._parameters[name]
            module.register_parameter(name + "_orig", original)
            del module._parameters[name]
            default_mask = flambeau.ones_like(original)
        try:
            with flambeau.no_grad():
                mask = method.compute_mask(importance_scores, default_mask=default_mask)
            module.register_buffer(name + "_mask", mask)
            setattr(module, name, method.apply_mask(module))
            module.register_forward_pre_hook(method)
        except Exception:
            if not again:
                original = module._parameters.pop(name + "_orig")
                module.register_parameter(name, original)
            raise
        return method

    @classmethod
    def _method_of(cls, module, name, args, kwargs):
        """The new method; with the one that is there already, which is unhooked, a container."""
        hooks = _hooks_of(module, name)
        if len(hooks) > 1:
            raise AssertionError(
                f"Avoid adding multiple pruning hooks to the same tensor {name} of module"
                f" {module}. Use a PruningContainer."
            )
        for key in hooks:
            del module._forward_pre_hooks[key]
        method = cls(*args, **kwargs)
        method._tensor_name = name
        for old in hooks.values():
            container = old if isinstance(old, PruningContainer) else PruningContainer(old)
            container.add_pruning_method(method)
            return container
        return method

    def prune(self, t, default_mask=None, importance_scores=None):
        """t pruned by the method, outside a module."""
        if importance_scores is None:
            importance_scores = t
        elif importance_scores.shape != t.shape:
            raise AssertionError("importance_scores should have the same shape as tensor t")
        if default_mask is None:
            default_mask = flambeau.ones_like(t)
        return t * self.compute_mask(importance_scores, default_mask=default_mask)

    def remove(self, module):
        """Makes the pruned parameter an ordinary one, pruned for good."""
        if self._tensor_name is None:
            raise AssertionError(
                f"Module {module} has to be pruned before pruning can be removed"
            )
        weight = self.apply_mask(module)
        if hasattr(module, self._tensor_name):
            delattr(module, self._tensor_name)
        original = module._parameters.pop(self._tensor_name + "_orig")
        original.data = weight.data
        del module._buffers[self._tensor_name + "_mask"]
        setattr(module, self._tensor_name, original)


def _hooks_of(module, name):
    return {
        key: hook for key, hook in module._forward_pre_hooks.items()
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name
    }


class PruningContainer(BasePruningMethod):
    """Methods applied one after the other to one parameter: each prunes what the masks before it
    have left. Made from methods, or from one iterable of them."""

    def __init__(self, *args):
        self._pruning_methods = ()
        if len(args) == 1 and not isinstance(args[0], Iterable):
            self._tensor_name = args[0]._tensor_name
        elif len(args) == 1:
            args = args[0]
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method):
        """Adds a method for the same parameter."""
        if not isinstance(method, BasePruningMethod) and method is not None:
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method is not None and self._tensor_name != method._tensor_name:
            raise ValueError(
                "Can only add pruning methods acting on the parameter named"
                f" '{self._tensor_name}' to PruningContainer {self}. Found"
                f" '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self):
        return len(self._pruning_methods)

    def __iter__(self):
        return iter(self._pruning_methods)

    def __getitem__(self, idx):
        return self._pruning_methods[idx]

    def compute_mask(self, t, default_mask):
        """The mask of the last method, where default_mask has left something."""
        method, mask = self._pruning_methods[-1], default_mask.to(dtype=t.dtype)
        left = self._left(method, t, mask)
        mask[left] = method.compute_mask(t[left], default_mask=mask[left]).to(mask.dtype)
        return mask

    @staticmethod
    def _left(method, t, mask):
        """The index of what a method chooses from."""
        if method.PRUNING_TYPE == "unstructured":
            return mask == 1
        whole = [slice(None)] * t.dim()
        if method.PRUNING_TYPE == "structured":
            if not hasattr(method, "dim"):
                raise AttributeError(
                    "Pruning methods of PRUNING_TYPE \"structured\" need to have the attribute"
                    " `dim` defined."
                )
            dim = method.dim % t.dim()
            others = [d for d in range(t.dim()) if d != dim]
            whole[dim] = mask.sum(dim=others) != 0
        elif method.PRUNING_TYPE != "global":
            raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
        return tuple(whole)


class Identity(BasePruningMethod):
    """Prunes nothing."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        return default_mask

    @classmethod
    def apply(cls, module, name):
        return super().apply(module, name)


class _Amount(BasePruningMethod):
    """Prunes an amount: a number of units, or a fraction of them between 0 and 1."""

    def __init__(self, amount):
        if not isinstance(amount, Real):
            raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
        if amount < 0 or (amount > 1 and not isinstance(amount, Integral)):
            raise ValueError(
                f"amount={amount} should either be a float in the range [0, 1] or a non-negative"
                " integer"
            )
        self.amount = amount

    def _count(self, total):
        count = self.amount
        if not isinstance(count, Integral):
            count = round(count * total)
        if count > total:
            raise ValueError(
                f"amount={count} should be smaller than the number of parameters to prune={total}"
            )
        return count


class _Unstructured(_Amount):
    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        count = self._count(t.nelement())
        mask = default_mask.clone(memory_format=flambeau.contiguous_format)
        if count:
            mask.view(-1)[self._chosen(t, count)] = 0
        return mask


class RandomUnstructured(_Unstructured):
    """Prunes an amount of elements at random."""

    def _chosen(self, t, count):
        return flambeau.rand_like(t).view(-1).topk(count).indices

    @classmethod
    def apply(cls, module, name, amount):
        return super().apply(module, name, amount=amount)


class L1Unstructured(_Unstructured):
    """Prunes an amount of elements, those of smallest magnitude."""

    def _chosen(self, t, count):
        return t.abs().view(-1).topk(count, largest=False).indices

    @classmethod
    def apply(cls, module, name, amount, importance_scores=None):
        return super().apply(module, name, amount=amount, importance_scores=importance_scores)


class _Structured(_Amount):
    PRUNING_TYPE = "structured"

    def __init__(self, amount, dim=-1):
        super().__init__(amount)
        self.dim = dim

    def compute_mask(self, t, default_mask):
        if t.dim() <= 1:
            raise ValueError(
                "Structured pruning can only be applied to multidimensional tensors. Found tensor"
                f" of shape {t.shape} with {t.dim()} dims"
            )
        if self.dim >= t.dim():
            raise IndexError(f"Invalid index {self.dim} for tensor of size {t.shape}")
        total = t.shape[self.dim]
        count = self._count(total)
        if not count:
            return default_mask
        kept = [slice(None)] * t.dim()
        kept[self.dim] = self._kept(t, total, count)
        mask = flambeau.zeros_like(t)
        mask[tuple(kept)] = 1
        return mask.mul_(default_mask.to(dtype=mask.dtype))


class RandomStructured(_Structured):
    """Prunes an amount of slices along a dim at random."""

    def _kept(self, t, total, count):
        drawn = flambeau.rand(total)
        return drawn > drawn.kthvalue(count).values

    @classmethod
    def apply(cls, module, name, amount, dim=-1):
        return super().apply(module, name, amount=amount, dim=dim)


class LnStructured(_Structured):
    """Prunes an amount of slices along a dim, those of smallest n-norm."""

    def __init__(self, amount, n, dim=-1):
        super().__init__(amount, dim)
        self.n = n

    def _kept(self, t, total, count):
        others = [d for d in range(t.dim()) if d != self.dim % t.dim()]
        return flambeau.norm(t, p=self.n, dim=others).topk(total - count).indices

    @classmethod
    def apply(cls, module, name, amount, n, dim, importance_scores=None):
        return super().apply(module, name, amount=amount, n=n, dim=dim,
                             importance_scores=importance_scores)


class CustomFromMask(BasePruningMethod):
    """Prunes what a mask says."""

    PRUNING_TYPE = "global"

    def __init__(self, mask):
        self.mask = mask

    def compute_mask(self, t, default_mask):
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"default_mask shape {default_mask.shape} must match self.mask shape"
                f" {self.mask.shape}"
            )
        return default_mask * self.mask.to(dtype=default_mask.dtype)

    @classmethod
    def apply(cls, module, name, mask):
        return super().apply(module, name, mask=mask)


def identity(module, name):
    """Makes a parameter a pruned one with nothing pruned. Returns the module."""
    Identity.apply(module, name)
    return module


def random_unstructured(module, name, amount):
    """Prunes an amount of a parameter's elements at random. Returns the module."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module, name, amount, importance_scores=None):
    """Prunes an amount of a parameter's elements of smallest magnitude, or score. Returns the
    module."""
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module, name, amount, dim):
    """Prunes an amount of slices along a dim at random. Returns the module."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module, name, amount, n, dim, importance_scores=None):
    """Prunes an amount of slices along a dim of smallest n-norm. Returns the module."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def global_unstructured(parameters, pruning_method, importance_scores=None, **kwargs):
    """Prunes several parameters as if they were one vector: parameters is an iterable of (module,
    name), importance_scores maps such pairs to tensors of their shapes."""
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    if importance_scores is None:
        importance_scores = {}
    elif not isinstance(importance_scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    parameters = list(parameters)
    tensors = [getattr(module, name) for module, name in parameters]
    scores = parameters_to_vector(
        [importance_scores.get(pair, tensor) for pair, tensor in zip(parameters, tensors)])
    default_mask = parameters_to_vector(
        [getattr(module, name + "_mask", flambeau.ones_like(tensor))
         for (module, name), tensor in zip(parameters, tensors)])
    container, method = PruningContainer(), pruning_method(**kwargs)
    container._tensor_name = method._tensor_name = "temp"
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method'
            f" {pruning_method} of type {method.PRUNING_TYPE}"
        )
    container.add_pruning_method(method)
    with flambeau.no_grad():
        mask = container.compute_mask(scores, default_mask)
    parts = mask.split([tensor.numel() for tensor in tensors])
    for (module, name), tensor, part in zip(parameters, tensors, parts):
        custom_from_mask(module, name, mask=part.view_as(tensor))


def custom_from_mask(module, name, mask):
    """Prunes what a mask of the parameter's shape says. Returns the module."""
    CustomFromMask.apply(module, name, mask)
    return module


def remove(module, name):
    """Makes a pruned parameter an ordinary one, pruned for good. Returns the module."""
    for key, hook in _hooks_of(module, name).items():
        hook.remove(module)
        del module._forward_pre_hooks[key]
        return module
    raise ValueError(
        f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
    )


def is_pruned(module):
    """Whether a parameter of the module, or of one below it, is pruned."""
    return any(
        isinstance(hook, BasePruningMethod)
        for child in module.modules() for hook in child._forward_pre_hooks.values()
    )
