"""Modules called with other parameters and buffers than their own (source:
torch.nn.utils.stateless)."""
from __future__ import annotations

import warnings
from contextlib import contextmanager

import flambeau
from flambeau.nn.parallel import DataParallel

__all__ = ["functional_call"]

_MISSING = object()


def functional_call(module, parameters_and_buffers, args=None, kwargs=None, *, tie_weights=True,
                    strict=False):
    """The old name of torch.func.functional_call."""
    warnings.warn(
        "`torch.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0 and will be"
        " removed in a future version of PyTorch. Please use `torch.func.functional_call` instead"
        " which is a drop-in replacement.", FutureWarning, stacklevel=2)
    return _functional_call(module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights,
                            strict=strict)


def _functional_call(module, parameters_and_buffers, args=None, kwargs=None, *, tie_weights=True,
                     strict=False):
    if isinstance(module, DataParallel):
        raise RuntimeError("The stateless API can't be used with nn.DataParallel module")
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    with _reparametrize_module(module, parameters_and_buffers, tie_weights, strict):
        return module(*args, **(kwargs or {}))


@contextmanager
def _reparametrize_module(module, parameters_and_buffers, tie_weights=False, strict=False,
                          stack_weights=False):
    """A context in which a module has other tensors. What forward puts in their place is written
    back to parameters_and_buffers."""
    given = parameters_and_buffers
    if tie_weights:
        given = _with_tied(module, given)
    if strict:
        _check_names(module, given)
    before = {}
    try:
        for path, tensor in given.items():
            before[path] = _swap(module, path, tensor)
        yield
    finally:
        for path, tensor in reversed(before.items()):
            after = _swap(module, path, tensor)
            if path in parameters_and_buffers:
                parameters_and_buffers[path] = after


def _swap(module, path, tensor):
    """Puts a tensor at a dotted path and returns what was there; _MISSING stands for nothing."""
    if tensor is not _MISSING and tensor is not None and not isinstance(tensor, flambeau.Tensor):
        raise TypeError(f"{tensor} is not an instance of torch.Tensor")
    path, _, name = path.rpartition(".")
    owner = module.get_submodule(path)
    for members in (owner._parameters, owner._buffers):
        if name in members:
            before = members[name]
            if tensor is _MISSING:
                del members[name]
            else:
                members[name] = tensor
            return before
    before = getattr(owner, name, _MISSING)
    if before is not _MISSING and not isinstance(before, flambeau.Tensor):
        raise TypeError(f"attribute `{name}`: {before} is not an instance of torch.Tensor")
    if tensor is not _MISSING:
        setattr(owner, name, tensor)
    elif before is not _MISSING:
        delattr(owner, name)
    return before


def _named_tensors(module):
    return {**dict(module.named_parameters(remove_duplicate=False)),
            **dict(module.named_buffers(remove_duplicate=False))}


def _with_tied(module, given):
    """The tensors that are given, also under the other names of what the module has several names
    for. ValueError where two names of one tensor are given different ones."""
    names_of = {}
    for name, tensor in _named_tensors(module).items():
        names_of.setdefault(id(tensor), []).append(name)
    result = dict(given)
    for names in names_of.values():
        chosen = [name for name in names if name in given]
        if len(names) == 1 or not chosen:
            continue
        tensor = given[chosen[0]]
        if any(given[name] is not tensor for name in chosen):
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(names)}, which are tied."
                " Consider using tie_weights=False"
            )
        result.update(dict.fromkeys(names, tensor))
    return result


def _check_names(module, given):
    own = _named_tensors(module)
    lines = []
    for what, names in (("Unexpected", sorted(set(given) - set(own))),
                        ("Missing", sorted(set(own) - set(given)))):
        if names:
            lines.append(f"{what} key(s): {', '.join(map(repr, names))}.")
    if lines:
        raise RuntimeError("Error(s) in reparametrizing for {}:\n\t{}".format(
            module._get_name(), "\n\t".join(lines)))
