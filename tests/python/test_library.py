"""torch.library: operators of a program's own."""
import pytest

import flambeau as torch
from flambeau.func import grad, vmap


@torch.library.custom_op("test_library::cube", mutates_args=())
def cube(x: torch.Tensor, times: float = 1.0) -> torch.Tensor:
    """times x^3"""
    return times * x * x * x


def setup(ctx, inputs, output):
    ctx.save_for_backward(inputs[0])
    ctx.times = inputs[1]


def backward(ctx, g):
    (x,) = ctx.saved_tensors
    return 3 * ctx.times * g * x * x, None


torch.library.register_autograd("test_library::cube", backward, setup_context=setup)


@cube.register_fake
def _(x, times=1.0):
    return torch.empty_like(x)


def test_calls():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = cube(x, times=2.0)
    assert y.tolist() == [2, 16]
    y.sum().backward()
    assert x.grad.tolist() == [6, 24]
    assert torch.ops.test_library.cube(x.detach(), 1.0).tolist() == [1, 8]
    assert grad(lambda x: cube(x, 1.0).sum())(x.detach()).tolist() == [3, 12]
    assert vmap(lambda a: cube(a, 1.0))(x.detach()).tolist() == [1, 8]


def test_refusals():
    with pytest.raises(ValueError, match="namespace::name"):
        torch.library.custom_op("cube", lambda x: x)
    with pytest.raises(RuntimeError, match="is there already"):
        torch.library.custom_op("test_library::cube", lambda x: x)
    with pytest.raises(RuntimeError, match="there is no operator named"):
        torch.library.register_fake("test_library::none", lambda x: x)
    with pytest.raises(AttributeError, match="has no attribute 'none'"):
        torch.ops.test_library.none
