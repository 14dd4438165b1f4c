"""Comparing gradients with finite differences (source: torch.autograd.gradcheck, gradgradcheck)."""

import sys
import warnings
from itertools import product

from flambeau import _C
from flambeau.autograd import grad

Tensor = _C.Tensor


class GradcheckError(RuntimeError):
    """A gradient differs from the finite difference."""


def _tensors(x):
    return x if isinstance(x, tuple) else tuple(x) if isinstance(x, list) else (x,)


def _is_differentiable(x):
    return isinstance(x, Tensor) and x.requires_grad


def _check_inputs(inputs):
    """ValueError when no input requires a gradient; a warning for inputs of too little
    precision."""
    found = False
    for i, x in enumerate(inputs):
        if not _is_differentiable(x):
            continue
        found = True
        if x.dtype not in (_C.float64, getattr(_C, "complex128", None)):
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or "
                "complex. This check will likely fail if all the inputs are not of double "
                "precision floating point or "
                "complex. ",
                stacklevel=3,
            )
        if any(size > 1 and stride == 0 for size, stride in zip(x.shape, x.stride())):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0. gradcheck only "
                "supports inputs that are non-overlapping to be able to compute "
                "the numerical gradients correctly. You should call .contiguous on "
                "the input before passing it to gradcheck."
            )
    if not found:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but "
            "none of the them have requires_grad=True."
        )


def _as_real(func, inputs):
    """func as a function of the parts of its complex tensors, and these: a complex gradient is that
    of the parts, dL/dx + i dL/dy."""
    complex_places = {
        j for j, x in enumerate(inputs) if isinstance(x, Tensor) and x.dtype.is_complex
    }

    def of_parts(*given):
        given = [_C.view_as_complex(x) if j in complex_places else x for j, x in enumerate(given)]
        y = _tensors(func(*given))
        return tuple(
            _C.view_as_real(t) if isinstance(t, Tensor) and t.dtype.is_complex else t for t in y
        )

    parts = tuple(
        _C.view_as_real(x.detach()).requires_grad_(x.requires_grad) if j in complex_places else x
        for j, x in enumerate(inputs)
    )
    return of_parts, parts


def _outputs(func, inputs):
    return [y for y in _tensors(func(*inputs)) if _is_differentiable(y)]


def _values(func, inputs, wanted):
    """The outputs at the places `wanted`, as flat lists of numbers."""
    outputs = _tensors(func(*inputs))
    return [outputs[i].detach().reshape(-1).tolist() for i in wanted]


def _numerical(func, inputs, x, wanted, eps):
    """For each wanted output its Jacobian by central differences, a row an element of x."""
    place = x.detach()
    jacobians = [[] for _ in wanted]
    for index in product(*map(range, x.shape)):
        kept = place[index].item()
        place[index] = kept + eps
        above = _values(func, inputs, wanted)
        place[index] = kept - eps
        below = _values(func, inputs, wanted)
        place[index] = kept
        for jacobian, high, low in zip(jacobians, above, below):
            jacobian.append([(a - b) / (2 * eps) for a, b in zip(high, low)])
    return [_matrix(rows, x.numel()) for rows in jacobians]


def _matrix(rows, count):
    """Rows of numbers as a float64 tensor of `count` rows."""
    return _C.tensor(rows, dtype=_C.float64) if count else _C.zeros((0, 0), dtype=_C.float64)


def _analytical(output, inputs):
    """For each input the Jacobian of one output by backward, a row an element of the input; None
    where the output does not depend on it."""
    columns = [[] for _ in inputs]
    for k in range(output.numel()):
        start = _C.zeros(output.numel(), dtype=output.dtype, device=output.device)
        start[k] = 1
        found = grad(
            output, inputs, start.reshape(output.shape), retain_graph=True, allow_unused=True
        )
        for column, g, x in zip(columns, found, inputs):
            if g is not None and g.shape != x.shape:
                raise GradcheckError(
                    f"Gradient has shape {g.shape}, but its input has shape {x.shape}"
                )
            g = _C.zeros_like(x) if g is None else g
            column.append(g.detach().to("cpu", _C.float64).reshape(-1))
    return [
        _C.stack(column, 1) if column else _C.zeros((x.numel(), 0), dtype=_C.float64)
        for column, x in zip(columns, inputs)
    ]


def gradcheck(
    func,
    inputs,
    *,
    eps=1e-6,
    atol=1e-5,
    rtol=1e-3,
    raise_exception=True,
    nondet_tol=0.0,
    check_undefined_grad=True,
    check_grad_dtypes=False,
    check_batched_grad=False,
    check_batched_forward_grad=False,
    check_forward_ad=False,
    check_backward_ad=True,
    fast_mode=False,
    masked=None,
):
    """Compares the gradients of func's outputs with respect to `inputs` that require one with
    central differences of step eps; inputs should be float64. True, or GradcheckError (False with
    raise_exception=False) where they differ by more than atol + rtol * the difference quotient, or
    where backward gives another result the second time (beyond nondet_tol).

    The full Jacobians are always compared, so fast_mode changes nothing; forward mode and batches
    are not checked.
    """
    inputs = _tensors(inputs)
    try:
        _check_inputs(inputs)
        func, inputs = _as_real(func, inputs)
        _check_gradients(func, inputs, eps, atol, rtol, nondet_tol, check_grad_dtypes)
        if check_undefined_grad:
            _check_undefined(func, inputs)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check_gradients(func, inputs, eps, atol, rtol, nondet_tol, check_grad_dtypes):
    outputs = _tensors(func(*inputs))
    if not all(isinstance(y, Tensor) for y in outputs):
        raise ValueError(
            "Expected at least one of the outputs to be a Tensor"
            if not outputs
            else "gradcheck expects every output to be a Tensor"
        )
    wanted = [i for i, y in enumerate(outputs) if _is_differentiable(y)]
    places = [j for j, x in enumerate(inputs) if _is_differentiable(x)]
    sources = [inputs[j] for j in places]
    numerical = [_numerical(func, inputs, x, range(len(outputs)), eps) for x in sources]
    outputs = _tensors(func(*inputs))  # anew: the inputs have been written to since
    for i, output in enumerate(outputs):
        if i not in wanted:
            if output.dtype.is_floating_point and any(
                bool((rows[i] != 0).any()) for rows in numerical
            ):
                raise GradcheckError("Numerical gradient for function expected to be zero")
            continue
        first = _analytical(output, sources)
        again = _analytical(output, sources)
        if check_grad_dtypes:
            found = grad(
                output, sources, _C.ones_like(output), retain_graph=True, allow_unused=True
            )
            if any(g is not None and g.dtype != x.dtype for g, x in zip(found, sources)):
                raise GradcheckError("Gradient has dtype mismatch")
        for n, (j, analytical, repeated) in enumerate(zip(places, first, again)):
            expected = numerical[n][i].reshape(analytical.shape)
            if not _C.allclose(analytical, expected, rtol, atol):
                raise GradcheckError(
                    f"Jacobian mismatch for output {i} with respect to input "
                    f"{j},\n"
                    f"numerical:{expected}\nanalytical:{analytical}\n"
                )
            if not _C.allclose(analytical, repeated, 0.0, nondet_tol):
                raise GradcheckError(
                    "Backward is not reentrant, i.e., running backward with same "
                    "input and grad_output multiple times gives different "
                    "values, although analytical gradient matches numerical "
                    "gradient.The tolerance for nondeterminism was "
                    f"{nondet_tol}."
                )


def _check_undefined(func, inputs):
    """An output whose gradient is not asked for counts as zero: with one output left out at a time,
    backward still works."""
    sources = [x for x in inputs if _is_differentiable(x)]
    for i in range(len(_outputs(func, inputs))):
        outputs = _outputs(func, inputs)
        kept = outputs[:i] + outputs[i + 1 :]
        if not kept:
            return
        try:
            grad(kept, sources, [_C.zeros_like(y) for y in kept], allow_unused=True)
        except RuntimeError as error:
            raise GradcheckError(
                f"Expected backward function to handle undefined output grads: {error}"
            ) from error


def gradgradcheck(
    func,
    inputs,
    grad_outputs=None,
    *,
    eps=1e-6,
    atol=1e-5,
    rtol=1e-3,
    gen_non_contig_grad_outputs=False,
    raise_exception=True,
    nondet_tol=0.0,
    check_undefined_grad=True,
    check_grad_dtypes=False,
    check_batched_grad=False,
    check_fwd_over_rev=False,
    check_rev_over_rev=True,
    fast_mode=False,
    masked=False,
):
    """gradcheck of the gradients themselves, with respect to `inputs` and to the gradients of the
    outputs (grad_outputs, random where None)."""
    inputs = _tensors(inputs)
    places = [j for j, x in enumerate(inputs) if _is_differentiable(x)]
    if grad_outputs is None:
        grad_outputs = tuple(
            _random_like(y, gen_non_contig_grad_outputs) for y in _outputs(func, inputs)
        )
    else:
        grad_outputs = _tensors(grad_outputs)
    count = len(grad_outputs)

    def gradients(*args):
        sources, starts = args[:-count], args[-count:]
        found = grad(
            _outputs(func, sources),
            [sources[j] for j in places],
            starts,
            create_graph=True,
            allow_unused=True,
        )
        return tuple(g for g in found if g is not None)

    return gradcheck(
        gradients,
        inputs + grad_outputs,
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
    )


def _random_like(y, scattered):
    """Random numbers of y's shape that require a gradient; `scattered`: not contiguous."""
    from flambeau.testing import make_tensor

    return make_tensor(y.shape, dtype=y.dtype, device=y.device, low=-1, high=1, requires_grad=True,
                       noncontiguous=scattered)


class _Module(type(sys)):
    """This module, which is called as its function is: importing it binds torch.autograd.gradcheck,
    which in PyTorch is the function."""

    def __call__(self, *args, **kwargs):
        return gradcheck(*args, **kwargs)


sys.modules[__name__].__class__ = _Module
