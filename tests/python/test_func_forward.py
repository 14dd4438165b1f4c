"""Forward mode: torch.func's transforms and torch.autograd.forward_ad, beside what PyTorch 2.13
gives."""
import re

import pytest

import flambeau as torch
from flambeau.autograd import forward_ad
from flambeau.func import grad, hessian, jacfwd, jacrev, jvp, linearize

X, T = [1.0, 2.0, 3.0], [1.0, 0.5, -1.0]


def test_jvp():
    x, t = torch.tensor(X), torch.tensor(T)
    y, moved = jvp(lambda x: (x * x, x.sum(), x[1:]), (x,), (t,))
    assert [v.tolist() for v in y] == [[1, 4, 9], 6, [2, 3]]
    assert [v.tolist() for v in moved] == [[2, 2, -6], 0.5, [0.5, -1]]
    _, moved = jvp(lambda a, b: a @ b, (torch.eye(3) * x, x), (torch.ones(3, 3), t))
    assert moved.tolist() == [7, 7, 3]
    y, moved, aux = jvp(lambda x: (x * 2, {"x": x}), (x,), (t,), has_aux=True)
    assert moved.tolist() == [2, 1, -2] and aux["x"].tolist() == X
    assert jvp(lambda x: torch.tensor(3.0), (x,), (t,))[1].item() == 0


def test_levels_nest():
    x, t = torch.tensor(X), torch.tensor(T)
    cube = lambda x: (x**3).sum()  # noqa: E731
    diagonal = [[6, 0, 0], [0, 12, 0], [0, 0, 18]]
    for second in (hessian(cube), jacfwd(jacfwd(cube)), jacrev(jacfwd(cube)), jacrev(jacrev(cube))):
        assert second(x).tolist() == diagonal
    assert jvp(grad(cube), (x,), (t,))[1].tolist() == [6, 6, -18]
    one = torch.tensor(1.0)
    assert grad(lambda x: jvp(lambda y: y**3, (x,), (one,))[1])(torch.tensor(2.0)).item() == 12
    # the inner level moves y alone
    inner = lambda x: x * jvp(lambda y: x + y, (one,), (one,))[1]  # noqa: E731
    assert jvp(inner, (one,), (one,))[1].item() == 1
    twice = lambda x: jvp(lambda y: jvp(lambda z: z**4, (y,), (one,))[1], (x,), (one,))[1]  # noqa: E731
    assert twice(torch.tensor(2.0)).item() == 48


def test_histories_of_tangents():
    w = torch.tensor(3.0, requires_grad=True)
    y, moved = jvp(lambda x: w * x * x, (torch.tensor(2.0),), (torch.tensor(1.0),))
    assert y.requires_grad and moved.requires_grad
    moved.backward()
    assert w.grad.item() == 4
    t = torch.tensor([1.0, 1.0], requires_grad=True)
    _, moved = jvp(torch.square, (torch.tensor([1.0, 2.0]),), (t,))
    moved.sum().backward()
    assert t.grad.tolist() == [2, 4]


def test_dual_tensors():
    x, t = torch.tensor(X), torch.tensor(T)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, t)
        assert forward_ad.unpack_dual(dual).tangent.tolist() == T
        assert forward_ad.unpack_dual(x).tangent is None
        assert forward_ad.unpack_dual(dual.detach()).tangent is None
        y = dual.clone()
        y.mul_(dual)
        assert forward_ad.unpack_dual(y).tangent.tolist() == [2, 2, -6]
        assert t.tolist() == T
        z = torch.zeros(3)
        z[1:] = dual[1:] * 2
        assert forward_ad.unpack_dual(z).tangent.tolist() == [0, 1, -2]
        base = torch.zeros(3)
        view = base[:2]
        view.copy_(dual[1:])
        assert forward_ad.unpack_dual(base).tangent.tolist() == [0.5, -1, 0]
        base.mul_(2)
        assert forward_ad.unpack_dual(view).tangent.tolist() == [1, -2]
        with pytest.raises(RuntimeError, match="Nested forward mode AD is not supported"):
            forward_ad.enter_dual_level()
        with pytest.raises(RuntimeError, match="^Trying to set a forward gradient that has a diff"):
            forward_ad.make_dual(x, t[:2])
        with pytest.raises(ValueError, match="^Expected primal to be floating point or complex"):
            forward_ad.make_dual(torch.tensor([1]), t[:1])
    assert forward_ad.unpack_dual(dual) == (dual, None)
    with pytest.raises(RuntimeError, match="^Trying to create a dual Tensor for forward AD but no"):
        forward_ad.make_dual(x, t)
    with pytest.raises(RuntimeError, match="^Trying to exit a forward AD level that was not the la"):
        forward_ad.exit_dual_level()


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * x * x * g

    @staticmethod
    def jvp(ctx, t):
        (x,) = ctx.saved_tensors
        return 3 * x * x * t


def test_functions_of_ones_own():
    x, t = torch.tensor(X), torch.tensor(T)
    assert jvp(Cube.apply, (x,), (t,))[1].tolist() == [3, 6, -27]
    total = lambda x: Cube.apply(x).sum()  # noqa: E731
    for second in (jacfwd(jacfwd(total)), jacrev(jacfwd(total)), hessian(total)):
        assert second(x).tolist() == [[6, 0, 0], [0, 12, 0], [0, 0, 18]]

    class Plain(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    with pytest.raises(NotImplementedError, match="^You must implement the jvp function for custom"):
        jvp(Plain.apply, (x,), (t,))


def test_linearize():
    x, t = torch.tensor(X), torch.tensor(T)
    y, move = linearize(lambda x: (x * x, x.sum()), x)
    assert [v.tolist() for v in y] == [[1, 4, 9], 6]
    for _ in range(2):
        assert [v.tolist() for v in move(t)] == [[2, 2, -6], 0.5]
    with pytest.raises(RuntimeError, match=re.escape("tangent:0 with shape torch.Size([2])")):
        move(t[:2])


ERRORS = [
    (lambda x, t: jvp(torch.sin, x, (t,)),
     "jvp(f, primals, tangents): Expected primals to be a tuple. E.g. it should be valid to call"
     " f(*primals)."),
    (lambda x, t: jvp(torch.sin, (), ()),
     "jvp(f, primals, tangents): Expected primals to contain at least one Tensor."),
    (lambda x, t: jvp(torch.sin, (1.0,), (t,)),
     "jvp(f, primals, tangents): Expected primals to only contain Tensors, got <class 'float'>"),
    (lambda x, t: jvp(lambda x: torch.ones(3), (x,), (t,), strict=True),
     "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. This is"
     " not allowed with strict=True."),
    (lambda x, t: jvp(lambda x: 1.0, (x,), (t,)),
     "jvp(f, primals, tangents): expected f(*primals) to return only tensors, got unsupported type"
     " <class 'float'>"),
]


@pytest.mark.parametrize("call, text", ERRORS)
def test_errors(call, text):
    with pytest.raises(RuntimeError, match="^" + re.escape(text)):
        call(torch.tensor(X), torch.tensor(T))
