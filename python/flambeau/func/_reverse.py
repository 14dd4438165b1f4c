"""Reverse mode as transforms of functions: grad, grad_and_value, vjp, jacrev (source: torch.func).

A transform gives the function inputs of its own: views of those that ask for a gradient already,
else new leaves. All transforms share one graph, so that they nest; what leaves one keeps its
history where it depends on something else than the transform's leaves, and loses it otherwise. A
backward is recorded where its result may be differentiated again: where the graph has another leaf.
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
from flambeau.func._vmap import vmap
from flambeau.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

Tensor = _C.Tensor


class Level:
    """One transform at work: the inputs it differentiates by, and whether it is recorded outside.
    """

    def __init__(self):
        self.recorded = _C._is_grad_enabled()
        self.inputs = ()

    def enter(self, tree):
        """The tree with inputs of this level in the place of its tensors."""
        leaves, spec = tree_flatten(tree)
        self.inputs = tuple(self._input(x) for x in leaves)
        return tree_unflatten(self.inputs, spec)

    def _input(self, x):
        if not isinstance(x, Tensor):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(x)}")
        x = _C._spread(x)  # under a vmap each sample has a gradient of its own
        if self.recorded and x.requires_grad:
            return x.view_as(x)
        return _C._without_history(x).requires_grad_()

    def leave(self, tree):
        """The tree as the code outside sees it."""
        return tree_map(lambda t: self._output(t) if isinstance(t, Tensor) else t, tree)

    def _output(self, t):
        if t.requires_grad and not (self.recorded and _C._reaches_others(t, self.inputs)):
            return _C._without_history(t)
        return t

    def gradients(self, outputs, starts, keep):
        """The gradients of outputs by the inputs, of the inputs' shapes. starts: one for each
        output, or None for that of a number. keep: the graph is used again."""
        pairs = [(y, g) for y, g in zip(outputs, starts) if y.requires_grad]
        if not pairs:
            return tuple(_C.zeros_like(x) for x in self.inputs)
        again = self.recorded and any(
            _C._reaches_others(y, self.inputs) or (g is not None and g.requires_grad)
            for y, g in pairs
        )
        ys, gs = zip(*pairs)
        found = _C._backward(ys, gs, keep or again, again, self.inputs, False, True)
        return tuple(
            _C.zeros_like(x) if g is None else self._output(g) for x, g in zip(self.inputs, found)
        )


def _grad_and_value(func, argnums, has_aux, args, kwargs):
    """(gradients, value, aux)."""
    level = Level()
    with enable_grad():
        inputs = level.enter(chosen(args, argnums))
        output = func(*replaced(args, argnums, inputs), **kwargs)
        output, aux = split_aux(output, has_aux, "grad_and_value(f)(*args)")
        if not isinstance(output, Tensor):
            raise RuntimeError(
                "grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got "
                f"{type(output)}"
            )
        if output.dim() != 0:
            raise RuntimeError(
                "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor"
                f" with {output.dim()} dims. Maybe you wanted to use the vjp or jacrev APIs "
                "instead?"
            )
        found = level.gradients((output,), (None,), False)
    return (tree_unflatten(found, tree_flatten(inputs)[1]), level.leave(output),
            level.leave(aux))


def grad(func, argnums=0, has_aux=False):
    """A function that computes the gradient of `func`, whose result is a number, by its arguments
    at argnums: trees of tensors. With has_aux func returns (number, aux), and the result is
    (gradient, aux) (source: torch.func.grad)."""

    @wraps(func)
    def wrapper(*args, **kwargs):
        found, _, aux = _grad_and_value(func, argnums, has_aux, args, kwargs)
        return (found, aux) if has_aux else found

    return wrapper


def grad_and_value(func, argnums=0, has_aux=False):
    """grad, whose result is (gradient, value), or (gradient, (value, aux)) (source:
    torch.func.grad_and_value)."""

    @wraps(func)
    def wrapper(*args, **kwargs):
        found, value, aux = _grad_and_value(func, argnums, has_aux, args, kwargs)
        return (found, (value, aux)) if has_aux else (found, value)

    return wrapper


def _vjp(func, primals, argnums, has_aux):
    """(output, function of cotangents, aux); argnums None: by all primals."""
    level = Level()
    caller = "vjp(f, *primals)"
    with enable_grad():
        if argnums is None:
            inputs = primals = level.enter(primals)
        else:
            inputs = level.enter(chosen(primals, argnums))
            primals = replaced(primals, argnums, inputs)
        output, aux = split_aux(func(*primals), has_aux, caller)
        outputs, spec = tree_flatten(output)
        check_outputs(outputs, caller)
        results = level.leave(output), level.leave(aux)
        for y in outputs:
            if not (y.is_floating_point() or y.is_complex()):
                raise RuntimeError(
                    "vjp(f, ...): All outputs of f must be floating-point or complex Tensors, got "
                    f"Tensor with dtype {y.dtype}"
                )

    def vjp_fn(cotangents, retain_graph=True, create_graph=None):
        """The gradients of sum(output * cotangents) by the inputs."""
        starts, given = tree_flatten(cotangents)
        if given != spec:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of "
                f"outputs to the function. cotangents: {given}, primal output: {spec}"
            )
        level.recorded = _C._is_grad_enabled() if create_graph is None else create_graph
        found = level.gradients(outputs, starts, retain_graph)
        return tree_unflatten(found, tree_flatten(inputs)[1])

    return results[0], vjp_fn, results[1]


def vjp(func, *primals, has_aux=False):
    """(func(*primals), a function from cotangents of the output to a tuple of the gradients by the
    primals); with has_aux func returns (output, aux), and the result ends with aux (source:
    torch.func.vjp)."""
    output, vjp_fn, aux = _vjp(func, primals, None, has_aux)
    return (output, vjp_fn, aux) if has_aux else (output, vjp_fn)


def basis(tensors, first=0, count=None):
    """Rows `first` to first + count of the identity over all elements of tensors, as one tensor of
    (count, *t.shape) for each."""
    total = sum(t.numel() for t in tensors)
    count = total if count is None else min(count, total - first)
    rows, before = [], 0
    for t in tensors:
        row = t.new_zeros((count, t.numel()))
        row.diagonal(first - before).fill_(1)
        rows.append(row.view((count, *t.shape)))
        before += t.numel()
    return rows


def jacrev(func, argnums=0, *, has_aux=False, chunk_size=None, _preallocate_and_copy=False):
    """A function that computes the Jacobian of `func` by its arguments at argnums, a tensor of
    (*output.shape, *input.shape) for each pair, by reverse mode: chunk_size rows at a time, None:
    all (source: torch.func.jacrev)."""
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @wraps(func)
    def wrapper(*args):
        refuse_complex("jacrev", args, "inputs")
        by = checked_argnums(argnums, len(args))
        output, vjp_fn, aux = _vjp(func, args, by, has_aux)
        outputs, output_spec = tree_flatten(output)
        refuse_complex("jacrev", outputs, "outputs")
        inputs = chosen(args, by)
        leaves, input_spec = tree_flatten(inputs)
        stacked = _rows(vjp_fn, outputs, output_spec, len(leaves), chunk_size)
        first, jacobian = 0, []
        for y in outputs:
            rows = [column.narrow(0, first, y.numel()) for column in stacked]
            first += y.numel()
            jacobian.append(tree_unflatten(
                [r.reshape((*y.shape, *x.shape)) for r, x in zip(rows, leaves)], input_spec))
        jacobian = tree_unflatten(jacobian, output_spec)
        return (jacobian, aux) if has_aux else jacobian

    return wrapper


def _rows(vjp_fn, outputs, spec, inputs, chunk_size):
    """For each input the rows of the Jacobian by all elements of the outputs, one after another."""
    total = sum(y.numel() for y in outputs)
    parts = []
    for first in range(0, max(total, 1), chunk_size or max(total, 1)):
        starts = basis(outputs, first, chunk_size)
        parts.append(_run_rows(vjp_fn, starts, spec, chunk_size))
    return [_C.cat(list(column)) if len(column) > 1 else column[0] for column in zip(*parts)]


def _run_rows(vjp_fn, starts, spec, chunk_size):
    if chunk_size == 1:  # without vmap, whose limits are not the caller's then
        found = vjp_fn(tree_unflatten([s[0] for s in starts], spec))
        return [row.unsqueeze(0) for row in tree_leaves(found)]
    return tree_leaves(vmap(vjp_fn)(tree_unflatten(starts, spec)))
