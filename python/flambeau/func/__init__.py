"""Transforms of functions, and modules as functions of their parameters (source: torch.func)."""
from __future__ import annotations

import flambeau
from flambeau.nn.utils.stateless import _functional_call

_HOMES = {
    **dict.fromkeys(("grad", "grad_and_value", "vjp", "jacrev"), "_reverse"),
    **dict.fromkeys(("jvp", "jacfwd", "hessian", "linearize"), "_forward"),
    "vmap": "_vmap",
}

__all__ = ["functional_call", "functionalize", "stack_module_state", *_HOMES]


def functional_call(module, parameter_and_buffer_dicts, args=None, kwargs=None, *,
                    tie_weights=True, strict=False):
    """module(*args, **kwargs) with other tensors in the place of its parameters and buffers.

    parameter_and_buffer_dicts: tensors by path, or several such dictionaries; what is not named
    stays. Buffers that forward replaces are replaced in the dictionary. tie_weights: a parameter of
    several names is replaced under all of them; strict: every name must be given.
    """
    if isinstance(parameter_and_buffer_dicts, dict):
        tensors = parameter_and_buffer_dicts
    elif isinstance(parameter_and_buffer_dicts, (list, tuple)):
        if not all(isinstance(given, dict) for given in parameter_and_buffer_dicts):
            raise ValueError("Expected all elements of parameter_and_buffer_dicts to be"
                             " dictionaries")
        names = [name for given in parameter_and_buffer_dicts for name in given]
        tensors = {name: given[name] for given in parameter_and_buffer_dicts for name in given}
        repeated = [name for name in tensors if names.count(name) > 1]
        if repeated:
            raise ValueError(
                f"{repeated} appeared in multiple dictionaries; behavior of functional call is"
                " ambiguous"
            )
    else:
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got"
            f" {type(parameter_and_buffer_dicts)}"
        )
    return _functional_call(module, tensors, args, kwargs, tie_weights=tie_weights, strict=strict)


def stack_module_state(models):
    """(parameters, buffers) of models of one class, by name, each stacked along a new first
    dimension; parameters are new leaves."""
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all(m.training for m in models) or not any(m.training for m in models)):
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval"
                           " mode.")
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")

    def stacked(of_models):
        result = {}
        for name in of_models[0]:
            tensors = [members[name] for members in of_models]
            wanted = [t.requires_grad for t in tensors]
            if any(wanted) and not all(wanted):
                raise RuntimeError(
                    "Expected parameters from each model to have the same .requires_grad"
                )
            result[name] = flambeau.stack(tensors).detach().requires_grad_(all(wanted))
        return result

    return (stacked([dict(m.named_parameters()) for m in models]),
            stacked([dict(m.named_buffers()) for m in models]))


def functionalize(func, *, remove="mutations"):
    """func itself: PyTorch rewrites its in-place calls for compilers, and its results stay the same.
    RuntimeError where `remove` is neither "mutations" nor "mutations_and_views"."""
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            "functionalize(f, remove='mutations'): received invalid argument for remove=. Valid "
            f"options are: remove='mutations' or remove='mutations_and_views', received {remove}"
        )
    return func


def __getattr__(name):
    home = _HOMES.get(name)
    if home is not None:
        value = getattr(__import__("flambeau.func." + home, fromlist=[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"Flambeau has no torch.func.{name} yet" if not name.startswith("__")
                         else f"module 'flambeau.func' has no attribute '{name}'")
