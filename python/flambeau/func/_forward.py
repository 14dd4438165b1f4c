"""Forward mode as transforms of functions: jvp, jacfwd, hessian, linearize (source: torch.func).

The tangents themselves are the extension's; a transform gives the function dual tensors of a level
of its own.
"""
from __future__ import annotations

from functools import wraps

from flambeau import _C
from flambeau.autograd.grad_mode import enable_grad
from flambeau.func._arguments import (
    check_outputs,
    checked_argnums,
    chosen,
    refuse_complex,
    replaced,
    split_aux,
)
from flambeau.func._reverse import Level, basis, jacrev
from flambeau.func._vmap import lanes
from flambeau.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

Tensor = _C.Tensor
_CALLER = "jvp(f, primals, tangents)"


def _check_tensors(leaves, what):
    if not leaves:
        raise RuntimeError(f"{_CALLER}: Expected {what} to contain at least one Tensor.")
    for t in leaves:
        if not isinstance(t, Tensor):
            raise RuntimeError(f"{_CALLER}: Expected {what} to only contain Tensors, got {type(t)}")


def _unpacked(t, level, strict):
    primal, tangent = _C._unpack_dual(t, level)
    if tangent is None:
        if strict:
            raise RuntimeError(
                "jvp(f, primals, tangents, strict=True): The output of f is independent of the "
                "inputs. This is not allowed with strict=True."
            )
        tangent = _C.zeros_like(primal)
    return primal, tangent


def _jvp(func, primals, tangents, argnums, strict, has_aux):
    """(output, its tangents, aux); argnums None: along all primals."""
    if not isinstance(primals, tuple):
        raise RuntimeError(
            f"{_CALLER}: Expected primals to be a tuple. E.g. it should be valid to call "
            "f(*primals)."
        )
    moving = primals if argnums is None else chosen(primals, argnums)
    leaves, spec = tree_flatten(moving)
    directions, given = tree_flatten(tangents)
    if spec != given:
        raise RuntimeError(
            f"{_CALLER}: Expected primals and tangents to have the same python structure. For "
            "example, if primals is a tuple of 3 tensors, tangents also must be. Got primals with "
            f"structure {spec} and tangents with structure {given}"
        )
    _check_tensors(leaves, "primals")
    _check_tensors(directions, "tangents")
    level = _C._dual_begin()
    try:
        duals = tree_unflatten(
            [_C._make_dual(p, t, level) for p, t in zip(leaves, directions)], spec)
        duals = duals if argnums is None else replaced(primals, argnums, duals)
        output, aux = split_aux(func(*duals), has_aux, _CALLER)
        outputs, spec = tree_flatten(output)
        check_outputs(outputs, _CALLER)
        aux = tree_map(
            lambda t: _C._unpack_dual(t, level)[0] if isinstance(t, Tensor) else t, aux)
        both = [_unpacked(t, level, strict) for t in outputs]
    finally:
        _C._dual_end(level)
    return (tree_unflatten([y for y, _ in both], spec), tree_unflatten([t for _, t in both], spec),
            aux)


def jvp(func, primals, tangents, *, strict=False, has_aux=False):
    """(func(*primals), how it changes when the primals move along tangents, a tuple like primals);
    with has_aux func returns (output, aux), and the result ends with aux. strict: an output that
    does not depend on the primals is a RuntimeError instead of zeros (source: torch.func.jvp)."""
    output, tangent, aux = _jvp(func, primals, tangents, None, strict, has_aux)
    return (output, tangent, aux) if has_aux else (output, tangent)


def jacfwd(func, argnums=0, has_aux=False, *, randomness="error"):
    """A function that computes the Jacobian of `func` by its arguments at argnums, a tensor of
    (*output.shape, *input.shape) for each pair, by forward mode (source: torch.func.jacfwd)."""

    @wraps(func)
    def wrapper(*args):
        refuse_complex("jacfwd", args, "inputs")
        by = None if argnums is None else checked_argnums(argnums, len(args))
        inputs = args if by is None else chosen(args, by)
        leaves, input_spec = tree_flatten(inputs)
        output, aux, columns, output_spec = _columns(
            func, args, by, basis(leaves), input_spec, has_aux, randomness)
        refuse_complex("jacfwd", output, "outputs")
        jacobian = []
        for column in columns:
            column, first, parts = column.movedim(0, -1), 0, []
            for x in leaves:
                part = column.narrow(-1, first, x.numel())
                parts.append(part.reshape((*part.shape[:-1], *x.shape)))
                first += x.numel()
            jacobian.append(tree_unflatten(parts, input_spec))
        jacobian = tree_unflatten(jacobian, output_spec)
        return (jacobian, aux) if has_aux else jacobian

    return wrapper


def _columns(func, args, argnums, directions, spec, has_aux, randomness):
    """(output, aux, for each output its changes along all directions, stacked, their spec)."""
    size = directions[0].shape[0]
    with lanes(size, randomness) as lane:
        along = tree_unflatten([_C._lane_enter(d, lane, 0) for d in directions], spec)
        output, tangent, aux = _jvp(func, args, along, argnums, False, has_aux)
        columns = [_C._lane_leave(t, lane, size, 0) for t in tree_leaves(tangent)]
        aux = tree_map(
            lambda t: _C._lane_leave(t, lane, size, 0)[0] if isinstance(t, Tensor) else t, aux)
    return output, aux, columns, tree_flatten(output)[1]


def hessian(func, argnums=0):
    """A function that computes the second derivatives of `func` by its arguments at argnums:
    jacfwd(jacrev(func)) (source: torch.func.hessian)."""
    return jacfwd(jacrev(func, argnums), argnums)


def linearize(func, *primals):
    """(func(*primals), a function from tangents like primals to the change of the output): the
    linear map is kept as a graph, through which each call goes once (source:
    torch.func.linearize)."""
    level = Level()
    with enable_grad():
        output = func(*level.enter(primals))
        outputs, output_spec = tree_flatten(output)
        check_outputs(outputs, "linearize(f, *primals)")
        starts = tuple(_C.zeros_like(y).requires_grad_() for y in outputs)
        pairs = [(y, u) for y, u in zip(outputs, starts) if y.requires_grad]
        found = [None] * len(level.inputs)
        if pairs:
            found = _C._backward(*map(tuple, zip(*pairs)), True, True, level.inputs, False, True)
    leaves, spec = tree_flatten(primals)
    own = level.inputs + starts

    def jvp_fn(*tangents):
        """The change of the output along tangents."""
        along, given = tree_flatten(tangents)
        if given != spec:
            raise RuntimeError(
                f"Expected the tangents {given} to have the same argspec as the primals {spec}"
            )
        for i, (t, x) in enumerate(zip(along, leaves)):
            for what in ("shape", "device", "dtype"):
                if getattr(t, what) != getattr(x, what):
                    raise RuntimeError(
                        f"tangent:{i} with {what} {getattr(t, what)} in flattened pytree doesn't "
                        f"match the {what} {getattr(x, what)} of the corresponding primal."
                    )
        pairs = [(g, t) for g, t in zip(found, along) if g is not None and g.requires_grad]
        moved = [None] * len(starts)
        if pairs:
            again = _C._is_grad_enabled() and any(
                t.requires_grad or _C._reaches_others(g, own) for g, t in pairs)
            moved = _C._backward(*map(tuple, zip(*pairs)), True, again, starts, False, True)
        return tree_unflatten(
            [_C.zeros_like(u) if m is None else m for m, u in zip(moved, starts)], output_spec)

    return level.leave(output), jvp_fn
