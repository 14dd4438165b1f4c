"""Gradients that programs make: backward's argument, what hooks and Function.backward return. Values: PyTorch's."""
import flambeau as torch
import pytest


def through_function(make, shape=(3,)):
    class Same(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return make(g)

    x = torch.ones(shape, requires_grad=True)
    Same.apply(x).sum().backward()
    return x.grad


@pytest.mark.parametrize("make", [lambda g: g.double(), lambda g: g.long(), lambda g: g.bool(), lambda g: g.half()])
def test_function_gives_another_dtype(make):
    g = through_function(make)
    assert g.dtype == torch.float32 and g.tolist() == [1, 1, 1]


def test_function_gives_what_broadcasting_added():
    assert through_function(lambda g: torch.ones(2, 3)).tolist() == [2, 2, 2]
    assert through_function(lambda g: torch.ones(3, 3), (1, 3)).tolist() == [[3, 3, 3]]


@pytest.mark.parametrize("shape", [(7,), (), (1,), (3, 1)])
def test_function_gives_another_shape(shape):
    text = str(list(shape)).replace("[", r"\[").replace("]", r"\]")
    with pytest.raises(
        RuntimeError,
        match=f"Function SameBackward returned an invalid gradient at index 0 - got {text} but expected shape "
        r"compatible with \[3\]",
    ):
        through_function(lambda g: torch.ones(shape))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_kernels_get_gradients_of_their_dtype(dtype):
    class Other(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return torch.ones(4, 5, dtype=dtype)

    w = torch.ones(5, 3, requires_grad=True)
    Other.apply(torch.nn.functional.linear(torch.ones(4, 3), w)).sum().backward()
    assert w.grad.dtype == torch.float32 and w.grad[0].tolist() == [4, 4, 4]


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64, torch.float16, torch.bool])
def test_backward_is_given_another_dtype(dtype):
    x = torch.ones(3, requires_grad=True)
    (x * 2).backward(torch.ones(3, dtype=dtype))
    assert x.grad.dtype == torch.float32 and x.grad.tolist() == [2, 2, 2]


def test_backward_is_given_another_shape():
    x = torch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"Mismatch in shape: grad_output\[0\] has a shape of torch.Size\(\[2, 3\]\)"):
        (x * 2).backward(torch.ones(2, 3))


def named(g):
    return torch.ones(7)


@pytest.mark.parametrize(
    "hook, error",
    [
        (named, "hook 'named' has changed the size of value"),
        (lambda g: g.expand(2, 3), "hook '<lambda>' has changed the size of value"),
        (
            lambda g: g.double(),
            r"hook '<lambda>' has changed the type of value \(was torch.FloatTensor got torch.DoubleTensor\)",
        ),
    ],
)
def test_hooks_give_another_shape_or_dtype(hook, error):
    x = torch.ones(3, requires_grad=True)
    x.register_hook(hook)
    with pytest.raises(RuntimeError, match=error):
        (x * 1).sum().backward()
    x = torch.ones(3, requires_grad=True)
    y = x * 1
    y.grad_fn.register_prehook(lambda g: (hook(g[0]),))
    with pytest.raises(RuntimeError, match="has changed the"):
        y.sum().backward()
    y = x * 1
    y.grad_fn.register_hook(lambda inputs, g: (hook(inputs[0]), *inputs[1:]))
    with pytest.raises(RuntimeError, match="has changed the"):
        y.sum().backward()
    assert x.grad is None


def test_complex_ones_for_real_tensors():
    class Turned(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g + 1j

    p = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="Mismatch in dtype: grad_output.0. has a dtype of "
                       "torch.complex64 and output.0. has a dtype of torch.float32."):
        (p * 2).backward(torch.ones(2) + 1j)
    with pytest.raises(RuntimeError, match="grad_output.0. has a dtype of torch.float32 and "
                       "output.0. has a dtype of torch.complex64"):
        torch.autograd.grad(p * 2j, p, torch.ones(2))
    with pytest.raises(RuntimeError, match="input_is_complex == grad_is_complex"):
        Turned.apply(p).sum().backward()
