"""autograd.Function, the recording modes, gradcheck, derivatives of whole functions, and
torch.testing: what the Python side of differentiation adds to the engine.

Every expectation is PyTorch's behaviour: the file passes with `flambeau` replaced by `torch`.
"""

import pytest

import flambeau as torch
from flambeau.autograd import Function, gradcheck, gradgradcheck
from flambeau.autograd.function import once_differentiable


class Cube(Function):
    @staticmethod
    def forward(ctx, x, gain=1.0):
        ctx.save_for_backward(x)
        ctx.gain = gain
        return x**3 * gain

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * g * ctx.gain, None


def leaf(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


# ---- Function ------------------------------------------------------------------------------------


def test_forward_and_backward():
    x = leaf(2.0, -1.0)
    y = Cube.apply(x, 2.0)
    assert y.tolist() == [16.0, -2.0]
    assert y.grad_fn.name() == "CubeBackward"
    y.sum().backward()
    assert x.grad.tolist() == [24.0, 6.0]


def test_its_derivative_can_be_differentiated():
    assert gradcheck(Cube.apply, (leaf(2.0, -1.0),)) and gradgradcheck(
        Cube.apply, (leaf(0.5, 3.0),)
    )


def test_needs_input_grad_and_none():
    seen = []

    class Product(Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.save_for_backward(a, None, b)
            return a * b

        @staticmethod
        def backward(ctx, g):
            seen.append(ctx.needs_input_grad)
            a, nothing, b = ctx.saved_tensors
            assert nothing is None
            return g * b, None

    a, b = leaf(2.0), torch.tensor([3.0], dtype=torch.float64)
    Product.apply(a, b).backward()
    assert a.grad.tolist() == [3.0] and seen == [(True, False)]


def test_several_results_and_materialized_gradients():
    kept = {}

    class Both(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(kept["materialize"])
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            kept["b"] = b
            return a * 2

    for materialize in (True, False):
        kept["materialize"] = materialize
        x = leaf(1.0)
        first, _ = Both.apply(x)
        first.backward()
        assert x.grad.item() == 2.0
        assert kept["b"].tolist() == [0.0] if materialize else kept["b"] is None


def test_non_differentiable_results():
    class Sort(Function):
        @staticmethod
        def forward(ctx, x):
            places = torch.ones(2, dtype=torch.float64)
            ctx.mark_non_differentiable(places)
            return x * 2, places

        @staticmethod
        def backward(ctx, g, _):
            return g * 2

    values, places = Sort.apply(leaf(1.0, 2.0))
    assert values.requires_grad and not places.requires_grad


def test_setup_context():
    class Square(Function):
        @staticmethod
        def forward(x):
            return x * x

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g):
            return 2 * ctx.saved_tensors[0] * g

    x = leaf(5.0)
    Square.apply(x).backward()
    assert x.grad.item() == 10.0


def test_vjp_is_a_name_for_backward():
    class Twice(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def vjp(ctx, g):
            return g * 2

    x = leaf(5.0)
    Twice.apply(x).backward()
    assert x.grad.item() == 2.0


def test_once_differentiable():
    class Once(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            return g * 2

    x = leaf(1.0)
    Once.apply(x).backward()
    assert x.grad.item() == 2.0
    (g,) = torch.autograd.grad(Once.apply(x), x, leaf(1.0), create_graph=True)
    with pytest.raises(RuntimeError, match="marked with @once_differentiable"):
        g.backward()


def test_errors():
    with pytest.raises(NotImplementedError, match="You must implement the forward function"):
        Function.apply(leaf(1.0))

    class NoBackward(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    with pytest.raises(NotImplementedError, match="either the backward or vjp method"):
        NoBackward.apply(leaf(1.0)).backward()

    x = leaf(1.0)
    y = Cube.apply(x)
    y.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.backward()

    class Raises(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        Raises.apply(x).backward()


# ---- recording on and off ------------------------------------------------------------------------


def test_modes_as_contexts():
    x = leaf(1.0)
    with torch.no_grad():
        assert not (x * 2).requires_grad and not torch.is_grad_enabled()
        with torch.enable_grad():
            assert (x * 2).requires_grad
        assert not torch.is_grad_enabled()
    with torch.set_grad_enabled(False):
        assert not (x * 2).requires_grad
    assert torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    try:
        assert not torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)
    with torch.inference_mode():
        y = x * 2
        assert torch.is_inference_mode_enabled() and y.is_inference()
    assert not torch.is_inference_mode_enabled()
    with pytest.raises(ZeroDivisionError):
        with torch.no_grad():
            1 / 0
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.no_grad,
        lambda: torch.no_grad(),
        lambda: torch.inference_mode(),
        lambda: torch.set_grad_enabled(False),
    ],
)
def test_modes_as_decorators(make):
    mode = make()

    @mode
    def double(x):
        """Twice."""
        return x * 2

    assert double.__name__ == "double" and double.__doc__ == "Twice."
    assert not double(leaf(1.0)).requires_grad
    assert torch.is_grad_enabled()

    def recursive(n):
        return torch.is_grad_enabled() if n == 0 else mode_wrapped(n - 1)

    mode_wrapped = make()(recursive)
    assert mode_wrapped(3) is False and torch.is_grad_enabled()


def test_generators_leave_the_mode_while_they_wait():
    @torch.no_grad()
    def steps():
        try:
            got = yield torch.is_grad_enabled()
            yield got
        except ValueError:
            yield torch.is_grad_enabled()
        return "end"

    running = steps()
    assert next(running) is False and torch.is_grad_enabled()
    assert running.send(5) == 5
    assert running.throw(ValueError("x")) is False and torch.is_grad_enabled()
    with pytest.raises(StopIteration, match="end"):
        next(running)


# ---- grad, gradcheck, functional -----------------------------------------------------------------


def test_grad():
    x, y = leaf(2.0), leaf(3.0)
    z = x * x * y
    assert [g.item() for g in torch.autograd.grad(z, (x, y), retain_graph=True)] == [12.0, 4.0]
    assert {k: g.item() for k, g in torch.autograd.grad(z, {"x": x}).items()} == {"x": 12.0}
    assert x.grad is None
    with pytest.raises(RuntimeError, match="appears to not have been used in the graph"):
        torch.autograd.grad(x * 2, y)
    assert torch.autograd.grad(x * 2, y, allow_unused=True) == (None,)
    assert torch.autograd.grad(x * 2, y, materialize_grads=True)[0].item() == 0.0
    with pytest.raises(RuntimeError, match="implicitly created only for scalar outputs"):
        torch.autograd.grad(leaf(1.0, 2.0) * x, x)
    with pytest.raises(RuntimeError, match="Mismatch in shape: grad_output\\[0\\] has a shape of"):
        torch.autograd.grad(x * 2, x, torch.ones(3, dtype=torch.float64))
    with pytest.raises(RuntimeError, match="`inputs` argument to `grad\\(\\)` cannot be empty"):
        torch.autograd.grad(x * 2, ())


def test_backward_into_some_inputs_alone():
    x, y = leaf(2.0), leaf(3.0)
    torch.autograd.backward(x * y, inputs=[x])
    assert x.grad.item() == 3.0 and y.grad is None
    (x * y).backward(gradient=leaf(2.0).detach(), inputs=y)
    assert y.grad.item() == 4.0 and x.grad.item() == 3.0


def test_gradcheck_finds_a_wrong_derivative():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 3

    with pytest.raises(
        RuntimeError, match="Jacobian mismatch for output 0 with respect to input 0"
    ):
        gradcheck(Wrong.apply, (leaf(1.0, 2.0),))
    assert not gradcheck(Wrong.apply, (leaf(1.0),), raise_exception=False)
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        gradcheck(lambda x: x, (torch.ones(2, dtype=torch.float64),))


def test_functional():
    F = torch.autograd.functional
    x = torch.tensor([1.0, 2.0], dtype=torch.float64)
    assert F.jacobian(lambda x: x**2, x).tolist() == [[2.0, 0.0], [0.0, 4.0]]
    assert F.hessian(lambda x: (x**3).sum(), x).tolist() == [[6.0, 0.0], [0.0, 12.0]]
    value, product = F.jvp(lambda x: x**2, x, torch.ones(2, dtype=torch.float64))
    assert value.tolist() == [1.0, 4.0] and product.tolist() == [2.0, 4.0]
    _, product = F.vjp(lambda x: x**2, x, torch.ones(2, dtype=torch.float64))
    assert product.tolist() == [2.0, 4.0]
    _, product = F.hvp(lambda x: (x**3).sum(), x, torch.ones(2, dtype=torch.float64))
    assert product.tolist() == [6.0, 12.0]


# ---- torch.testing -------------------------------------------------------------------------------


def test_assert_close():
    close = torch.testing.assert_close
    close(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0 + 1e-7]))
    close({"a": [1, 2.0]}, {"a": [1, 2.0 + 1e-9]})
    close(torch.tensor([float("nan")]), torch.tensor([float("nan")]), equal_nan=True)
    cases = [
        (
            (torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 2.5, 3.0])),
            "Tensor-likes are not close!\n\nMismatched elements: 1 / 3 (33.3%)\n"
            "Greatest absolute difference: 0.5 at index (1,) (up to 1e-05 allowed)\n",
        ),
        ((torch.ones(2), torch.ones(3)), "The values for attribute 'shape' do not match"),
        ((torch.ones(2), torch.ones(2).double()), "The values for attribute 'dtype' do not match"),
        (([1, 2], [1, 3]), "Scalars are not equal!\n\nExpected 3 but got 2."),
        (([1], [1, 2]), "The length of the sequences mismatch: 1 != 2"),
    ]
    for values, text in cases:
        with pytest.raises(AssertionError) as caught:
            close(*values)
        assert text in str(caught.value)


def test_make_tensor():
    x = torch.testing.make_tensor(
        3, 4, dtype=torch.float32, device="cpu", low=-1, high=1, requires_grad=True
    )
    assert x.shape == (3, 4) and x.requires_grad and bool((x.abs() <= 1).all())
    y = torch.testing.make_tensor((5,), dtype=torch.int64, device="cpu", noncontiguous=True)
    assert y.shape == (5,) and not y.is_contiguous()


def test_limits():
    assert torch.finfo(torch.float32).eps == 2.0**-23
    assert torch.finfo(torch.float16).max == 65504.0
    assert torch.iinfo(torch.int8).min == -128 and torch.iinfo(torch.uint8).max == 255
    assert repr(torch.finfo(torch.float32)) == (
        "finfo(resolution=1e-06, min=-3.40282e+38, max=3.40282e+38, eps=1.19209e-07, "
        "smallest_normal=1.17549e-38, tiny=1.17549e-38, dtype=float32)"
    )
    with pytest.raises(TypeError):
        torch.finfo(torch.int32)


def test_the_node_has_a_class_of_its_own():
    """As PyTorch's: NAMEBackward, which is no Function and knows its own."""

    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            seen.append(ctx)
            return g * 2

    class Again(Twice):
        pass

    seen = []
    for kind in (Twice, Again):
        node = kind.apply(torch.ones(1, requires_grad=True)).grad_fn
        assert type(node).__name__ == node.name() == kind.__name__ + "Backward"
        assert node._forward_cls is kind and type(node) is kind._backward_cls
        assert not isinstance(node, torch.autograd.Function)
        assert isinstance(node, torch.autograd.graph.Node)
    Twice.apply(torch.ones(1, requires_grad=True)).backward()
    assert type(seen[0]) is Twice._backward_cls


def test_gradients_of_results_without_one_are_zeros_too():
    class Several(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            marked, number = torch.ones(3), torch.tensor([1, 2])
            ctx.mark_non_differentiable(marked)
            return x * 2, marked, number

        @staticmethod
        def backward(ctx, *grads):
            seen.extend((g.dtype, g.tolist()) for g in grads)
            return grads[0] * 2

    seen = []
    y, _, _ = Several.apply(torch.ones(1, requires_grad=True))
    y.sum().backward()
    assert seen == [(torch.float32, [1.0]), (torch.float32, [0.0] * 3), (torch.int64, [0, 0])]


def test_what_is_marked_dirty_counts_once_more():
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2)

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = torch.ones(2, requires_grad=True) * 1
    assert Twice.apply(x)._version == 2


def test_named_arguments_have_gradients():
    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, k=2, c=1):
            ctx.k = k
            needs.append(ctx.needs_input_grad)
            return x * k

        @staticmethod
        def backward(ctx, g):
            return (g * ctx.k,) + (None,) * (len(ctx.needs_input_grad) - 1)

    needs, p = [], torch.ones(2, requires_grad=True)
    for y in (Scaled.apply(x=p), Scaled.apply(k=2, x=p), Scaled.apply(p, k=2), Scaled.apply(p)):
        p.grad = None
        y.sum().backward()
        assert p.grad.tolist() == [2, 2]
    assert needs == [(True,), (True, False), (True, False), (True,)]
    for arguments, named, text in (
        ((p,), {"z": 1}, r"forward\(\) got an unexpected keyword argument 'z'"),
        ((p,), {"x": p}, r"forward\(\) got multiple values for argument 'x'"),
        ((p,), {"c": 1}, r"forward\(\) missing required argument: 'k' \(position 1\)"),
    ):
        with pytest.raises(TypeError, match=text):
            Scaled.apply(*arguments, **named)


def test_setup_context_sees_defaults():
    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(x, k=2, c=1):
            return x * k

        @staticmethod
        def setup_context(ctx, inputs, output):
            seen.append(inputs[1:])
            ctx.k = inputs[1]

        @staticmethod
        def backward(ctx, g):
            assert ctx.needs_input_grad == (True, False, False)
            return g * ctx.k, None, None

    seen, p = [], torch.ones(1, requires_grad=True)
    for y in (Scaled.apply(p), Scaled.apply(p, c=5), Scaled.apply(c=4, x=p), Scaled.apply(p, 3, 1)):
        y.backward()
    assert p.grad.item() == 9 and seen == [(2, 1), (2, 5), (2, 4), (3, 1)]
    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        Scaled.apply(k=1)
