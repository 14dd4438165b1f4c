"""Derivatives of functions as a whole (source: torch.autograd.functional).

Functions take and give a tensor or a tuple of tensors; results have the same form. With
create_graph the results can be differentiated again. strict: an output that does not depend on an
input is an error instead of zeros.
"""

from flambeau import _C
from flambeau.autograd import grad
from flambeau.autograd.grad_mode import enable_grad

Tensor = _C.Tensor


def _tuple_of(x, name, caller):
    """(tensors as a tuple, whether it was one)."""
    many = isinstance(x, tuple)
    tensors = x if many else (x,)
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            where = f"Value at index {i} is of type {type(t)}" if many else f"Got {type(t)}"
            raise TypeError(
                f"The {name} given to {caller} must be either a Tensor or a tuple of "
                f"Tensors. {where}."
            )
    return tensors, many


def _same_form(tensors, many):
    return tuple(tensors) if many else tensors[0]


def _fresh(inputs, create_graph):
    """The inputs as the starting points of a graph: views of those with a history where it must go
    on, else copies of the handles."""
    return tuple(
        x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_(True)
        for x in inputs
    )


def _run(func, inputs, caller, strict):
    """(outputs, whether a tuple): checked for dependence when strict."""
    outputs, many = _tuple_of(func(*inputs), "outputs", caller)
    if strict:
        for i, y in enumerate(outputs):
            if not y.requires_grad:
                raise RuntimeError(
                    f"Output {i} of the user-provided function does not require "
                    "gradients. The outputs must be computed in a differentiable "
                    "manner from the input when running in strict mode."
                )
    return outputs, many


def _grad(outputs, inputs, starts, create_graph, strict=False, keep=None):
    """Gradients, zeros where there are none; outputs that do not require one are left out."""
    pairs = [(y, v) for y, v in zip(outputs, starts) if y.requires_grad]
    if not pairs:
        return tuple(_C.zeros_like(x) for x in inputs)
    found = grad(
        [y for y, _ in pairs],
        inputs,
        [v for _, v in pairs],
        create_graph=create_graph,
        retain_graph=keep,
        allow_unused=True,
    )
    if strict and any(g is None for g in found):
        i = next(i for i, g in enumerate(found) if g is None)
        raise RuntimeError(
            "The output of the user-provided function is independent of input "
            f"{i}. This is not allowed in strict mode."
        )
    return tuple(_C.zeros_like(x) if g is None else g for g, x in zip(found, inputs))


def _detached(tensors, create_graph):
    return tuple(tensors) if create_graph else tuple(t.detach() for t in tensors)


def _vectors(v, like, caller, what):
    """v as a tuple of the shapes of `like`; ones for a single element when v is None."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"The vector v can only be None if {what}")
        return (_C.ones_like(like[0]),)
    v, _ = _tuple_of(v, "v", caller)
    if len(v) != len(like):
        raise RuntimeError(
            f"v is a tuple of invalid length: should be {len(like)} but got {len(v)}."
        )
    for i, (a, b) in enumerate(zip(v, like)):
        if a.shape != b.shape:
            raise RuntimeError(
                f"v has invalid size: should be {b.shape} but got {a.shape}."
                if len(like) == 1
                else f"Entry {i} in v has invalid size: should be {b.shape} but got {a.shape}."
            )
    return v


def vjp(func, inputs, v=None, create_graph=False, strict=False):
    """(outputs, the gradients of sum(outputs * v) with respect to inputs) (source:
    torch.autograd.functional.vjp)."""
    with enable_grad():
        inputs, many_in = _tuple_of(inputs, "inputs", "vjp")
        inputs = _fresh(inputs, create_graph)
        outputs, many_out = _run(func, inputs, "vjp", strict)
        v = _vectors(
            v,
            outputs,
            "vjp",
            "the user-provided function returns a single Tensor with a single element.",
        )
    found = _grad(outputs, inputs, v, create_graph, strict)
    return (
        _same_form(_detached(outputs, create_graph), many_out),
        _same_form(_detached(found, create_graph), many_in),
    )


def jvp(func, inputs, v=None, create_graph=False, strict=False):
    """(outputs, how they change when the inputs move along v), by two backward passes (source:
    torch.autograd.functional.jvp)."""
    with enable_grad():
        inputs, _ = _tuple_of(inputs, "inputs", "jvp")
        v = _vectors(
            v,
            inputs,
            "jvp",
            "the input to the user-provided function is a single Tensor with a single element.",
        )
        inputs = _fresh(inputs, create_graph)
        outputs, many_out = _run(func, inputs, "jvp", strict)
        # The gradient is linear in its start u; the derivative of <gradient(u), v> by u is the
        # change along v.
        u = tuple(_C.zeros_like(y).requires_grad_(True) for y in outputs)
        found = _grad(outputs, inputs, u, True, strict)
        moved = _grad(found, u, v, create_graph)
    return _same_form(_detached(outputs, create_graph), many_out), _same_form(
        _detached(moved, create_graph), many_out
    )


def jacobian(
    func, inputs, create_graph=False, strict=False, vectorize=False, strategy="reverse-mode"
):
    """The derivative of each output by each input: shape (*output.shape, *input.shape); a tuple of
    tuples when both are tuples, outputs first (source: torch.autograd.functional.jacobian)."""
    _check_strategy(strategy, vectorize, create_graph, strict)
    if strategy == "forward-mode":
        return _forward_jacobian(func, inputs)
    with enable_grad():
        inputs, many_in = _tuple_of(inputs, "inputs", "jacobian")
        inputs = _fresh(inputs, create_graph)
        outputs, many_out = _run(func, inputs, "jacobian", strict)
        if vectorize:
            rows = _all_rows(outputs, inputs, create_graph, many_in)
            return _same_form(rows, many_out)
        rows = []
        for y in outputs:
            columns = [[] for _ in inputs]
            for k in range(y.numel()):
                start = _C.zeros(y.numel(), dtype=y.dtype)
                start[k] = 1
                found = _grad(
                    (y,), inputs, (start.reshape(y.shape),), create_graph, strict, keep=True
                )
                for column, g in zip(columns, found):
                    column.append(g)
            rows.append(
                _same_form(
                    _detached(
                        [
                            (_C.stack(column) if column else _C.zeros(0, dtype=x.dtype)).reshape(
                                (*y.shape, *x.shape)
                            )
                            for column, x in zip(columns, inputs)
                        ],
                        create_graph,
                    ),
                    many_in,
                )
            )
    return _same_form(rows, many_out)


def _check_strategy(strategy, vectorize, create_graph, strict):
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your '
            'function has more outputs than inputs, "forward-mode" tends to be more performant. '
            'Otherwise, prefer to use "reverse-mode".'
        )
    where = "torch.autograd.functional.jacobian:"
    if strategy == "forward-mode":
        for name, given, kind in (
            ("create_graph", create_graph, NotImplementedError), ("strict", strict, RuntimeError)
        ):
            if given:
                raise kind(
                    f'{where} `{name}=True` and `strategy="forward-mode"` are not supported '
                    f"together (yet). Please either set `{name}=False` or "
                    '`strategy="reverse-mode"`.'
                )
        if not vectorize:
            raise NotImplementedError(
                "Computing Jacobian using forward-AD or forward-over-reverse Hessian is"
                "only implemented for `vectorize=True`."
            )
    elif vectorize and strict:
        raise RuntimeError(
            f"{where} `strict=True` and `vectorized=True` are not supported together. Please "
            "either set `strict=False` or `vectorize=False`."
        )


def _forward_jacobian(func, inputs):
    from flambeau.func import jacfwd
    from flambeau.utils._pytree import tree_map

    inputs, many = _tuple_of(inputs, "inputs", "jacobian")
    found = jacfwd(lambda *x: _checked(func(*x)), tuple(range(len(inputs))))(*inputs)
    found = tree_map(lambda t: t.detach(), found)
    if many:
        return found
    many_out = not isinstance(found[0], Tensor)
    return tuple(row[0] for row in found) if many_out else found[0]


def _checked(outputs):
    _tuple_of(outputs, "outputs", "jacobian")
    return outputs


def _all_rows(outputs, inputs, create_graph, many_in):
    """The rows of the Jacobian, all of them by one backward under a vmap."""
    from flambeau.func._reverse import basis
    from flambeau.func._vmap import lanes

    rows, first, size = [], 0, sum(y.numel() for y in outputs)
    with lanes(size) as lane:
        starts = tuple(_C._lane_enter(b, lane, 0) for b in basis(outputs))
        found = _grad(outputs, inputs, starts, create_graph)
        found = [_C._lane_leave(g, lane, size, 0) for g in found]
    for y in outputs:
        parts = [g.narrow(0, first, y.numel()).reshape((*y.shape, *x.shape))
                 for g, x in zip(found, inputs)]
        first += y.numel()
        rows.append(_same_form(_detached(parts, create_graph), many_in))
    return rows


def _check_scalar(outputs, many, caller):
    if many or outputs[0].numel() != 1:
        raise RuntimeError(
            f"The function given to {caller} should return a single Tensor with a single element"
        )


def hessian(
    func,
    inputs,
    create_graph=False,
    strict=False,
    vectorize=False,
    outer_jacobian_strategy="reverse-mode",
):
    """The second derivatives of a function with one value: a tensor of (*input.shape,
    *input.shape), or a tuple of tuples (source: torch.autograd.functional.hessian)."""
    many_in = isinstance(inputs, tuple)

    def gradient(*args):
        outputs, many = _tuple_of(func(*args), "outputs", "hessian")
        _check_scalar(outputs, many, "hessian")
        found = _grad(
            (outputs[0].reshape(()),), args, (_C.ones((), dtype=outputs[0].dtype),), True, strict
        )
        return found if many_in else found[0]

    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode".'
        )
    forward = outer_jacobian_strategy == "forward-mode"

    def outer(*args):
        found = gradient(*(_C._without_history(x).requires_grad_() for x in args))
        return (tuple(_C._without_history(g) for g in found) if many_in
                else _C._without_history(found))

    return jacobian(outer if forward else gradient, inputs, create_graph=create_graph,
                    strict=strict, vectorize=vectorize, strategy=outer_jacobian_strategy)


def vhp(func, inputs, v=None, create_graph=False, strict=False):
    """(output, v times the Hessian) of a function with one value (source:
    torch.autograd.functional.vhp)."""
    with enable_grad():
        inputs, many_in = _tuple_of(inputs, "inputs", "vhp")
        v = _vectors(
            v,
            inputs,
            "vhp",
            "the input to the user-provided function is a single Tensor with a single element.",
        )
        inputs = _fresh(inputs, create_graph)
        outputs, many = _run(func, inputs, "vhp", strict)
        _check_scalar(outputs, many, "vhp")
        first = _grad(outputs, inputs, (_C.ones_like(outputs[0]),), True, strict)
        found = _grad(first, inputs, v, create_graph, strict)
    return (
        _detached(outputs, create_graph)[0],
        _same_form(_detached(found, create_graph), many_in),
    )


def hvp(func, inputs, v=None, create_graph=False, strict=False):
    """(output, the Hessian times v) of a function with one value; the Hessian is symmetric, so this
    is vhp (source: torch.autograd.functional.hvp)."""
    return vhp(func, inputs, v, create_graph, strict)
