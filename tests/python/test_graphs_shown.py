"""What a program sees of the graph: the edges of a node and the gradients that its hooks are given,
as PyTorch 2.13 has them."""

import pytest

import flambeau as torch
from flambeau.nn import functional as F


def edges(y):
    return [n and n.name() for n, _ in y.grad_fn.next_functions]


@pytest.fixture
def a():
    return torch.tensor([1.0, 2.0, 3.0], requires_grad=True) * 1


C = torch.tensor([0.2, 0.3, 0.4])
MUL = "MulBackward0"


@pytest.mark.parametrize(
    "call, shown",
    [
        (lambda a: F.layer_norm(a, (3,)), [MUL, None, None]),
        (lambda a: F.layer_norm(a, (3,), a), [MUL, MUL, None]),
        (lambda a: F.mse_loss(a, C), [MUL, None]),
        (lambda a: F.binary_cross_entropy_with_logits(a, C), [MUL, None]),
        (lambda a: a.logsumexp(0), [MUL]),
        (lambda a: a.masked_fill(a > 0, 0), [MUL]),
        (lambda a: a.index_add(0, torch.tensor([0]), C[:1]), [MUL, None]),
        (lambda a: torch.addr(torch.ones(3, 3), a, C), [None, MUL, None]),
        (lambda a: torch.stack([a, C]), [MUL, None]),
        (lambda a: F.multi_margin_loss(a, torch.tensor(0)), [MUL]),
    ],
)
def test_edges(a, call, shown):
    assert edges(call(a)) == shown


@pytest.mark.filterwarnings("ignore:index_reduce")
def test_the_name_of_index_reduce(a):
    y = a.index_reduce(0, torch.tensor([0]), C[:1], "prod")
    assert y.grad_fn.name() == "IndexReduceBackward0" and edges(y) == [MUL, None]


def test_hooks_of_a_node_see_what_it_shows():
    def shapes(given):
        return [None if g is None else tuple(g.shape) for g in given]

    x = torch.ones(3, requires_grad=True)
    w, b = torch.ones(2, 3, requires_grad=True), torch.ones(2, requires_grad=True)
    seen = []
    y = x * 2
    y.grad_fn.register_hook(lambda given, _: seen.append(shapes(given)))
    y.grad_fn.register_hook(lambda given, _: (given[0] * 10, None))
    z = F.linear(y[None], w, b)
    z.grad_fn.register_hook(lambda given, _: seen.append(shapes(given)))
    z.grad_fn.register_hook(lambda given, _: (given[0] * 2, given[1] * 3, given[2] * 4))
    z.sum().backward()
    assert seen == [[(2,), (1, 3), (2, 3)], [(3,), None]]
    assert b.grad.tolist() == [2, 2] and w.grad.tolist() == [[8] * 3] * 2
    assert x.grad.tolist() == [2 * 3 * 2 * 10] * 3


@pytest.mark.parametrize(
    "hook, kind, text",
    [
        (lambda given, _: given[0], TypeError, "expected tuple, but hook returned 'Tensor'"),
        (lambda given, _: (given[0],) * 2, RuntimeError, "can't replace a None gradient"),
        (lambda given, _: (given[0],), RuntimeError, "got 1, but expected 2"),
    ],
)
def test_what_a_hook_of_a_node_may_not_return(hook, kind, text):
    y = torch.ones(3, requires_grad=True) * 2
    y.grad_fn.register_hook(hook)
    with pytest.raises(kind, match=text):
        y.sum().backward()


@pytest.mark.parametrize(
    "call, given",
    [
        (lambda x: F.conv1d(x, torch.ones(2, 1, 2)), None),
        (lambda x: F.conv_transpose1d(x, torch.ones(1, 2, 2)), None),
        (lambda x: F.batch_norm(x, torch.zeros(1), torch.ones(1)), None),
        (lambda x: F.pad(x, (1, 1), mode="reflect"), 0),
        (lambda x: F.pad(x, (1, 1), mode="replicate"), 0),
    ],
)
def test_a_penalty_on_a_gradient_that_is_constant_has_a_backward(call, given):
    x = torch.ones(1, 1, 5, requires_grad=True)
    g, = torch.autograd.grad(call(x).sum(), x, create_graph=True)
    (g * g).sum().backward()
    assert x.grad is None if given is None else x.grad.tolist() == [[[given] * 5]]
    w = torch.ones(2, 1, 2, requires_grad=True)
    g, = torch.autograd.grad(F.conv1d(x, w).sum(), x, create_graph=True)
    g.sum().backward()
    assert w.grad.tolist() == [[[4, 4]]] * 2
