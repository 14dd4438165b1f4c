"""What torch.func's transforms check of their arguments and of what functions return (source:
torch._functorch.eager_transforms)."""
from __future__ import annotations

from flambeau import _C
from flambeau.utils._pytree import tree_leaves

Tensor = _C.Tensor


def _wrapped(argnum, count):
    if not isinstance(argnum, int):
        raise RuntimeError(f"argnum must be int, got: {type(argnum)}")
    if not -count <= argnum < count:
        raise RuntimeError(f"Got argnum={argnum}, but only {count} positional inputs")
    return argnum % count


def checked_argnums(argnums, count):
    """argnums counted from 0: an int or a tuple of different ints."""
    if isinstance(argnums, int):
        return _wrapped(argnums, count)
    if not isinstance(argnums, tuple):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    argnums = tuple(_wrapped(argnum, count) for argnum in argnums)
    if not argnums:
        raise RuntimeError("argnums must be non-empty")
    if len(set(argnums)) != len(argnums):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return argnums


def chosen(args, argnums):
    """The arguments at argnums: one, or a tuple."""
    argnums = checked_argnums(argnums, len(args))
    return args[argnums] if isinstance(argnums, int) else tuple(args[i] for i in argnums)


def replaced(args, argnums, new):
    """args with `new` (as `chosen` gives them) at argnums."""
    argnums = checked_argnums(argnums, len(args))
    if isinstance(argnums, int):
        argnums, new = (argnums,), (new,)
    args = list(args)
    for i, value in zip(argnums, new):
        args[i] = value
    return tuple(args)


def split_aux(output, has_aux, caller):
    """(output, aux) of what a function returned; aux is None where none was announced."""
    if not has_aux:
        return output, None
    if not (isinstance(output, tuple) and len(output) == 2):
        raise RuntimeError(
            f"{caller}: output of function f should be a tuple: (output, aux) if has_aux is True"
        )
    return output


def check_outputs(outputs, caller):
    """Refuses what is no tensor among a function's flat outputs, and none at all."""
    if not outputs or (len(outputs) == 1 and outputs[0] is None):
        raise RuntimeError(
            f"{caller}: Expected f to be a function that has non-empty output (got output = "
            f"{outputs})"
        )
    for output in outputs:
        if not isinstance(output, Tensor):
            raise RuntimeError(
                f"{caller}: expected f(*primals) to return only tensors, got unsupported type "
                f"{type(output)}"
            )


def refuse_complex(caller, tree, what):
    """Jacobians are of real functions."""
    for i, t in enumerate(tree_leaves(tree)):
        if isinstance(t, Tensor) and t.is_complex():
            raise RuntimeError(
                f"{caller}: Expected all {what} to be real but received complex tensor at "
                f"flattened input idx: {i}"
            )


def name_of(function):
    """What messages call a function."""
    name = getattr(function, "__name__", None)
    if name is not None:
        return name
    inner = getattr(function, "func", None)
    return repr(function) if inner is None else f"functools.partial({name_of(inner)}, ...)"
