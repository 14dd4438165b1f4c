"""vmap, beside what PyTorch 2.13 gives."""
import re
import warnings

import pytest

import flambeau as torch
from flambeau.func import (
    functional_call,
    grad,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    stack_module_state,
    vmap,
)

F = torch.nn.functional
X = torch.arange(12.0).reshape(3, 4)


def same(a, b):
    return a.shape == b.shape and a.dtype == b.dtype and torch.allclose(a, b)


def test_dims():
    assert torch.vmap is vmap
    w = torch.arange(8.0).reshape(4, 2)
    assert same(vmap(torch.sin)(X), X.sin())
    assert same(vmap(torch.dot)(X, X), (X * X).sum(1))
    assert same(vmap(lambda a, b: a @ b, in_dims=(0, None))(X, w), X @ w)
    assert same(vmap(lambda a: a * 2, in_dims=1, out_dims=1)(X), X * 2)
    assert same(vmap(lambda a: a * 2, in_dims=-1, out_dims=-1)(X), X * 2)
    outer = vmap(vmap(torch.mul, (None, 0)), (0, None))
    assert same(outer(X[0], X[1]), X[0][:, None] * X[1])
    tree = vmap(lambda d, k: {"y": d["x"] * k, "n": d["x"].sum()}, in_dims=({"x": 0}, None))
    found = tree({"x": X}, 2)
    assert same(found["y"], X * 2) and same(found["n"], X.sum(1))
    swapped = vmap(lambda a: (a, a * 2), out_dims=(0, 1))(X)
    assert same(swapped[0], X) and same(swapped[1], X.t() * 2)
    assert same(vmap(lambda a: torch.ones(2))(X), torch.ones(3, 2))
    for chunk in (1, 2, 5):
        assert same(vmap(torch.sin, chunk_size=chunk)(X), X.sin())
    assert vmap(lambda a, b: a * b)(torch.ones(2, dtype=torch.float64), torch.ones(2, 3)).dtype \
        == torch.float32


def test_operators():
    assert same(vmap(lambda a: a[1:].cumsum(0))(X), X[:, 1:].cumsum(1))
    assert same(vmap(lambda a: torch.cat([a, a.flip(0)]))(X), torch.cat([X, X.flip(1)], 1))
    assert same(vmap(lambda a: a.view(2, 2).t())(X), X.view(3, 2, 2).mT)
    values, indices = vmap(lambda a: torch.sort(a, descending=True))(X)
    assert same(values, X.flip(1)) and indices.tolist() == [[3, 2, 1, 0]] * 3
    i = torch.tensor([0, 1, 2])
    assert vmap(lambda a, i: a[i])(X, i).tolist() == [0, 5, 10]
    pick = torch.tensor([[0, 1], [1, 2], [2, 3]])
    assert vmap(lambda a, i: a.index_select(0, i))(X, pick).tolist() == [[0, 1], [5, 6], [10, 11]]
    images, kernels = torch.randn(5, 1, 3, 6, 6), torch.randn(5, 2, 3, 3, 3)
    expected = torch.stack([F.conv2d(a, k) for a, k in zip(images, kernels)])
    assert torch.allclose(vmap(F.conv2d)(images, kernels), expected, atol=1e-5)
    assert same(vmap(lambda a: a.new_zeros(4).add_(a).mul_(2))(X), X * 2)
    assert same(vmap(lambda a: a.masked_fill(a > 2, -1.0))(X), X.masked_fill(X > 2, -1.0))


def test_gradients_of_samples():
    w = torch.linspace(-1, 1, 8).reshape(4, 2)
    loss = lambda w, a: (a @ w).tanh().sum()  # noqa: E731
    each = vmap(grad(loss), in_dims=(None, 0))(w, X)
    one_by_one = torch.stack([grad(loss)(w, a) for a in X])
    assert same(each, one_by_one) and not each.requires_grad
    total = grad(lambda w: vmap(loss, (None, 0))(w, X).sum())(w)
    assert torch.allclose(total, one_by_one.sum(0), atol=1e-6)
    v = w.clone().requires_grad_()
    vmap(loss, (None, 0))(v, X).sum().backward()
    assert torch.allclose(v.grad, one_by_one.sum(0), atol=1e-6)


def test_with_jacobians():
    f = lambda a: a.tanh() * a.sum()  # noqa: E731
    x = X / 10
    expected = torch.stack([jacrev(f, chunk_size=1)(a) for a in x])
    for jacobian in (jacrev(f), jacfwd(f), jacrev(f, chunk_size=3)):
        assert torch.allclose(vmap(jacobian)(x), expected, atol=1e-6)
    curve = lambda a: f(a).sum()  # noqa: E731
    expected = torch.stack([jacrev(jacrev(curve, chunk_size=1), chunk_size=1)(a) for a in x])
    for second in (hessian(curve), jacfwd(jacfwd(curve)), jacrev(jacfwd(curve))):
        assert torch.allclose(vmap(second)(x), expected, atol=1e-5)
        assert torch.allclose(torch.stack([second(a) for a in x]), expected, atol=1e-5)
    y, moved = vmap(lambda a, t: jvp(f, (a,), (t,)))(x, torch.ones(3, 4))
    assert torch.allclose(moved, torch.stack([jvp(f, (a,), (torch.ones(4),))[1] for a in x]))


def test_ensembles():
    torch.manual_seed(0)
    models = [torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2))
              for _ in range(3)]
    parameters, buffers = stack_module_state(models)
    assert parameters["0.weight"].shape == (3, 5, 4) and parameters["0.weight"].requires_grad
    call = lambda p, b, x: functional_call(models[0], (p, b), (x,))  # noqa: E731
    expected = torch.stack([m(X) for m in models])
    found = vmap(call, in_dims=(0, 0, None))(parameters, buffers, X)
    assert torch.allclose(found, expected, atol=1e-5)
    found.sum().backward()
    expected.sum().backward()
    gradient = torch.stack([m[0].weight.grad for m in models])
    assert torch.allclose(parameters["0.weight"].grad, gradient, atol=1e-5)


def test_randomness():
    noisy = lambda a: a + torch.randn(4)  # noqa: E731
    torch.manual_seed(1)
    drawn = torch.randn(3, 4)
    torch.manual_seed(1)
    assert same(vmap(noisy, randomness="different")(X), X + drawn)
    torch.manual_seed(1)
    one = torch.randn(4)
    torch.manual_seed(1)
    assert same(vmap(noisy, randomness="same")(X), X + one)
    torch.manual_seed(1)
    masks = vmap(F.dropout, randomness="same")(torch.ones(3, 8))
    assert masks.tolist() == [[2, 2, 2, 2, 0, 2, 2, 0]] * 3
    torch.manual_seed(1)
    masks = vmap(F.dropout, randomness="different")(torch.ones(3, 8))
    assert masks.tolist() == [[2, 2, 2, 2, 0, 2, 2, 0], [0, 2, 0, 2, 0, 2, 2, 2],
                              [0, 2, 0, 0, 0, 0, 0, 0]]


def test_grads_batched():
    x = torch.arange(3.0, requires_grad=True)
    y = x**2
    found, = torch.autograd.grad(y, x, torch.eye(3), is_grads_batched=True)
    assert found.tolist() == [[0, 0, 0], [0, 2, 0], [0, 0, 4]]


def test_repr():
    texts = []
    vmap(lambda a: texts.append(repr(a)) or a)(torch.zeros(2, 1))
    assert texts == ["BatchedTensor(lvl=1, bdim=0, value=\n    tensor([[0.],\n            [0.]])\n)"]


def test_no_warning_of_what_has_a_rule():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vmap(grad(lambda a: F.softmax(a, 0)[0]))(X)


ERRORS = [
    (lambda: vmap(torch.sin)(), ValueError,
     "vmap(sin)(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap"
     " over a function with no inputs. The latter is unsupported."),
    (lambda: vmap(torch.sin, in_dims=3)(X), ValueError,
     "vmap(sin, in_dims=3, ...)(<inputs>): Got in_dim=3 for some input, but that input is a Tensor"
     " of dimensionality 2 so expected in_dim to satisfy -2 <= in_dim < 2."),
    (lambda: vmap(torch.sin, in_dims="a")(X), ValueError,
     "vmap(sin, in_dims=a, ...)(<inputs>): expected `in_dims` to be int or a (potentially nested)"
     " tuple matching the structure of inputs, got: <class 'str'>."),
    (lambda: vmap(torch.mul)(X, 2), ValueError,
     "vmap(mul, in_dims=0, ...)(<inputs>): Got in_dim=0 for an input but the input is of type "
     "<class 'int'>. We cannot vmap over non-Tensor arguments, please use None as the respective"
     " in_dim"),
    (lambda: vmap(torch.add)(X, X[:2]), ValueError,
     "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes [3, 2]"
     " for the mapped dimension"),
    (lambda: vmap(torch.sin, (None,))(X), ValueError,
     "vmap: Expected at least one Tensor to vmap over"),
    (lambda: vmap(lambda a: 1)(X), ValueError,
     "vmap(<lambda>, ...): `<lambda>` must only return Tensors, got type <class 'int'>. Did you "
     "mean to set out_dims= to None for output?"),
    (lambda: vmap(torch.sin, out_dims=None)(X), ValueError,
     "vmap(sin, ...): `sin` can not return a BatchedTensor when out_dim is None"),
    (lambda: vmap(torch.sin, out_dims="x")(X), ValueError,
     "vmap(sin, ..., out_dims=x): `out_dims` must be an int, None or a python collection of ints"
     " representing where in the outputs the vmapped dimension should appear."),
    (lambda: vmap(torch.sin, randomness="x"), RuntimeError,
     "Only allowed values for randomness are 'error', 'different', or 'same'. Got x"),
    (lambda: vmap(torch.sin, chunk_size=0), ValueError,
     "vmap: chunk_size should be None or greater than 0. (got 0)"),
    (lambda: vmap(lambda a: a + torch.randn(4))(X), RuntimeError,
     "vmap: called random operation while in randomness error mode. Please either use the 'same' or"
     " 'different' randomness flags on vmap or perform the randomness operation out of vmap"),
    (lambda: vmap(lambda a: a.sum().item())(X), RuntimeError,
     "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling "
     ".item() on a Tensor"),
    (lambda: vmap(lambda a: a if a.sum() > 0 else -a)(X), RuntimeError,
     "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow."),
    (lambda: vmap(lambda a: a.tolist())(X), RuntimeError,
     "Cannot access data pointer of Tensor that doesn't have storage"),
    (lambda: vmap(lambda a: a[a > 0])(X), RuntimeError,
     "vmap: We do not support batching operators that can support dynamic shape."),
    (lambda: vmap(lambda a: torch.zeros(4).copy_(a))(X), RuntimeError,
     "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor"),
]


@pytest.mark.parametrize("call, kind, text", ERRORS)
def test_errors(call, kind, text):
    with pytest.raises(kind, match="^" + re.escape(text)):
        call()


class Scaled(torch.autograd.Function):
    """a * x, whose rule under vmap tells of its call."""

    seen = []

    @staticmethod
    def forward(x, a):
        return x * a

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        x, a = ctx.saved_tensors
        return g * a, (g * x).sum()


class Ruled(Scaled):
    @staticmethod
    def vmap(info, in_dims, x, a):
        Ruled.seen.append((info.batch_size, info.randomness, in_dims, tuple(x.shape)))
        return Scaled.apply(x, a), 0


def test_functions_of_ones_own():
    a = torch.tensor(2.0)
    assert same(vmap(Ruled.apply, (0, None))(X, a), X * 2)
    assert Ruled.seen == [(3, "error", (0, None), (3, 4))]
    assert same(vmap(Scaled.apply, (0, None))(X, a), X * 2)
    each = vmap(grad(lambda a, x: Scaled.apply(x, a).sum()), (None, 0))(a, X)
    assert each.tolist() == [6, 22, 38]
    leaf = torch.tensor(2.0, requires_grad=True)
    vmap(Scaled.apply, (0, None))(X, leaf).sum().backward()
    assert leaf.grad.item() == 66


def test_functional_jacobians():
    from flambeau.autograd import functional

    f = lambda x: x.exp() * x.sum()  # noqa: E731
    x = torch.linspace(0, 1, 3)
    expected = functional.jacobian(f, x)
    for options in ({"vectorize": True}, {"vectorize": True, "strategy": "forward-mode"}):
        found = functional.jacobian(f, x, **options)
        assert torch.allclose(found, expected) and not found.requires_grad
    g = lambda x: (x**3).sum()  # noqa: E731
    for options in ({}, {"vectorize": True},
                    {"vectorize": True, "outer_jacobian_strategy": "forward-mode"}):
        found = functional.hessian(g, x, **options)
        assert torch.allclose(found, torch.diag(6 * x)) and not found.requires_grad
    with pytest.raises(NotImplementedError, match="only implemented for `vectorize=True`"):
        functional.jacobian(f, x, strategy="forward-mode")


def test_flex_attention():
    from flambeau.nn.attention.flex_attention import create_block_mask, flex_attention

    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, 5, 4) for _ in range(3))
    causal = create_block_mask(lambda b, h, i, j: i >= j, None, None, 5, 5)
    expected = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    assert torch.allclose(flex_attention(q, k, v, block_mask=causal), expected, atol=1e-5)
    bias = lambda score, b, h, i, j: score + (j - i) * (h + 1)  # noqa: E731
    places = torch.arange(5)
    added = ((places - places[:, None]) * torch.arange(1, 4)[:, None, None]).float()
    expected = F.scaled_dot_product_attention(q, k, v, attn_mask=added)
    assert torch.allclose(flex_attention(q, k, v, score_mod=bias), expected, atol=1e-5)


def test_views_of_complex_numbers_and_their_parts():
    x = torch.linspace(-2, 3, 24, dtype=torch.float64).sin().reshape(3, 4, 2)

    def spectrum(v):
        z = torch.fft.fft(v, dim=0)
        z.real.mul_(2)
        z.imag[0] = 1
        return (z.abs() ** 2).sum()

    def parts(v):
        z = torch.view_as_complex(v.clone())
        w = torch.view_as_real(z * z)
        w.add_(1)
        return w.sum() + torch.polar(v[:, 0].abs(), v[:, 1]).imag.sum()

    for f in spectrum, parts:
        for dim in 0, 1:
            got = vmap(grad(f), in_dims=dim)(x)
            for sample, y in zip(x.unbind(dim), got):
                assert torch.allclose(grad(f)(sample), y, 1e-12, 1e-12)
    both = vmap(vmap(lambda v: torch.complex(v, 2 * v).conj().imag))(x)
    assert torch.equal(both, -2 * x)


def node(f):
    return type(f).__name__, [type(g).__name__ for g, _ in f.next_functions]


def test_results_are_named_by_what_made_them():
    x = torch.ones(3, 2, requires_grad=True)
    assert node(torch.vmap(torch.relu)(x).grad_fn) == ("ReluBackward0", ["AccumulateGrad"])
    softmax = torch.vmap(lambda a: a.exp().softmax(0))(x)
    assert node(softmax.grad_fn) == ("SoftmaxBackward0", ["ExpBackward0"])
    moved = torch.vmap(torch.relu, out_dims=1)(x)
    assert node(moved.grad_fn) == ("PermuteBackward0", ["ReluBackward0"])
    assert torch.vmap(torch.vmap(torch.sin))(x).grad_fn.name() == "SinBackward0"
    assert "grad_fn=<MulBackward0>" in repr(torch.vmap(lambda a: a * 2)(x))
    (softmax * moved.T).sum().backward()
    assert x.grad.shape == (3, 2)
