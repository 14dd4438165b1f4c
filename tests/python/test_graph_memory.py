"""What the graph hands out and takes in: gradients' memory and layout, retained ones, hooks that
replace them, written leaves, inference tensors; and gradients at ties. Values and texts are PyTorch
2.13's."""

import warnings

import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau import nn


def leaf(*values):
    return torch.tensor([float(v) for v in values], requires_grad=True)


def refused(call, text):
    with pytest.raises(RuntimeError) as caught:
        call()
    assert str(caught.value).startswith(text)


WRITTEN = "one of the variables needed for gradient computation has been modified by an inplace"


@pytest.mark.parametrize(
    "write",
    [
        lambda x: x.mul_(x),
        lambda x: x.div_(x),
        lambda x: x.mul_(x.detach()),
        lambda x: x[:2].mul_(x[:2]),
        lambda x: x.pow_(x),
        lambda x: x.addcmul_(x, x),
        lambda x: x.mul_(x.view(-1)),
    ],
)
def test_the_destination_as_operand_is_refused(write):
    x = leaf(2, 3, 4) * 1
    write(x)
    refused(lambda: x.sum().backward(), WRITTEN)


def test_the_destination_as_operand_of_a_sum():
    p = leaf(1, 2, 3)
    x = p * 1
    y = x.view(-1)
    x.add_(y)
    y.sum().backward()
    assert p.grad.tolist() == [2, 2, 2]


def test_a_view_of_what_is_written_later():
    p = leaf(1, 2, 3)
    t = torch.zeros(3)
    u = t[:2]
    t.copy_(p)
    assert u.requires_grad and not u.is_leaf and u.grad_fn is not None
    (u * torch.tensor([1.0, 10.0])).sum().backward()
    assert p.grad.tolist() == [1, 10, 0]


@pytest.mark.parametrize(
    "turn, node",
    [
        (lambda x: x.t_(), "TBackward1"),
        (lambda x: x.unsqueeze_(0), "UnsqueezeBackward1"),
        (lambda x: x.transpose_(0, 1), "TransposeBackward1"),
        (lambda x: x.swapaxes_(0, 1), None),
    ],
)
def test_what_is_saved_is_turned(turn, node):
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True) * 1
    y = x * x
    turn(x)
    assert x._version == 1
    assert node is None or x.grad_fn.name() == node
    refused(lambda: y.sum().backward(), WRITTEN)


def test_swapped_axes():
    a = torch.arange(6.0).reshape(2, 3)
    b = a.view(-1)
    assert a.swapaxes_(0, 1) is a and a.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert a.swapdims_(0, 1).stride() == (3, 1) and b.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "write, grad",
    [
        (lambda x: x.clamp_(0, 1), [0, 1, 0]),
        (lambda x: x.clip_(0, 1), [0, 1, 0]),
        (lambda x: x.square_(), [-2, 1, 4]),
        (lambda x: x.multiply_(3), [3, 3, 3]),
        (lambda x: x.divide_(2), [0.5, 0.5, 0.5]),
        (lambda x: x.absolute_(), [-1, 1, 1]),
        (lambda x: x.nan_to_num_(), [1, 1, 1]),
        (lambda x: F.relu6(x, inplace=True), [0, 1, 1]),
        (lambda x: F.hardtanh(x, 0, 1, inplace=True), [0, 1, 0]),
    ],
)
def test_composites_in_place(write, grad):
    p = leaf(-1, 0.5, 2)
    x = p * 1
    write(x)
    x.sum().backward()
    assert p.grad.tolist() == grad


def test_comparisons_give_zeros_to_both():
    p, q = leaf(1, 2), leaf(3, 0)
    x = p * 1
    x.greater_(q)
    x.sum().backward()
    assert p.grad.tolist() == [0, 0] and q.grad.tolist() == [0, 0]


def test_handed_out_gradients_are_whole():
    a = leaf(1, 2, 3)
    assert torch.autograd.grad(a.mean(), a)[0].add_(1).tolist() == pytest.approx([4 / 3] * 3)
    assert torch.autograd.grad(a.sum(), a)[0].add_(1).tolist() == [2, 2, 2]  # (PyTorch refuses)
    w = torch.ones(3, 2, requires_grad=True)
    (torch.ones(4, 2) @ w.t()).sum().backward()
    assert w.grad.view(-1).shape == (6,)
    f = torch.ones(3, 2).t().requires_grad_()
    (f * 2).sum().backward()
    assert f.grad.stride() == (1, 2)
    b = torch.ones(2, 3, requires_grad=True)
    b.backward(torch.ones(1, 3).expand(2, 3))
    b.grad[0, 0] = 9
    assert b.grad.tolist() == [[9, 1, 1], [1, 1, 1]]


def test_retained_gradients():
    x = leaf(1, 2, 3)
    y = x * 2
    y.retain_grad()
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    assert y.grad.tolist() == [2, 2, 2]
    y.grad[0] = 7
    assert y.grad.tolist() == [7, 2, 2]
    y = x * 2
    y.retain_grad()
    y[0] = 5
    (y * y).sum().backward()
    assert y.grad.tolist() == [10, 8, 12]
    y = x * 2
    y.retain_grad()
    y.view(-1).mul_(2)
    y.sum().backward()
    assert y.grad.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "hook, text",
    [
        (lambda g: torch.ones(5), "hook '<lambda>' has changed the size of value"),
        (lambda g: g[None], "hook '<lambda>' has changed the size of value"),
        (lambda g: g.sum(), "hook '<lambda>' has changed the size of value"),
        (
            lambda g: g.double(),
            "hook '<lambda>' has changed the type of value (was torch.FloatTensor got "
            "torch.DoubleTensor)",
        ),
    ],
)
def test_a_hook_gives_what_it_got(hook, text):
    x = leaf(1, 2, 3)
    y = x * 2
    y.register_hook(hook)
    refused(lambda: y.sum().backward(), text)
    assert x.grad is None


def test_leaves_are_not_written():
    r = torch.arange(4.0).view(2, 2).requires_grad_()
    text = "a view of a leaf Variable that requires grad is being used in an in-place operation."
    for write in (
        lambda: r.__setitem__(0, 1),
        lambda: r.view(-1).add_(1),
        lambda: r.mul_(2),
    ):
        refused(write, text)
    assert r.is_leaf and r.tolist() == [[0, 1], [2, 3]]
    w = torch.ones(3, requires_grad=True)
    refused(
        lambda: w.__setitem__(w > 0, 0),
        "a leaf Variable that requires grad is being used in an in-place operation.",
    )


def test_integers_take_no_history():
    p = leaf(1, 2)
    t = torch.zeros(2, dtype=torch.long)
    t.copy_(p)
    assert t.tolist() == [1, 2] and not t.requires_grad


def test_inference_tensors_stay_out():
    with torch.inference_mode():
        t = torch.ones(3)
    refused(
        lambda: t.add_(1),
        "Inplace update to inference tensor outside InferenceMode is not allowed.",
    )
    refused(
        lambda: t.requires_grad_(),
        "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.",
    )
    refused(lambda: t * leaf(1, 2, 3), "Inference tensors cannot be saved for backward.")
    assert (t + 1).tolist() == [2, 2, 2] and t.tolist() == [1, 1, 1]


def test_what_is_marked_dirty_is_returned():
    class Forgets(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2).clone()

        @staticmethod
        def backward(ctx, g):
            return g

    refused(
        lambda: Forgets.apply(leaf(1, 2) * 1),
        "Some elements marked as dirty during the forward method were not returned as output.",
    )

    class Doubles(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2)

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = leaf(1, 2)
    y = x * 1
    assert Doubles.apply(y) is y
    y.sum().backward()
    assert x.grad.tolist() == [2, 2]
    refused(
        lambda: Doubles.apply(x),
        "a leaf Variable that requires grad has been used in an in-place operation.",
    )


def test_one_batch_norm_used_twice():
    bn = nn.BatchNorm1d(2)
    x = torch.tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)
    (bn(x) + bn(x)).pow(2).sum().backward()
    assert x.grad.shape == (2, 2) and bn.num_batches_tracked == 2


def test_assignment_of_one_dim_more():
    p = torch.ones(1, 2, requires_grad=True)
    x = torch.tensor([1.0, 2.0, 3.0])
    x[x > 1] = p
    (x * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.tolist() == [1, 1, 1] and p.grad.tolist() == [[2, 3]]


def test_scatter_reduce_in_place():
    p, q = leaf(1, 2, 3), leaf(4, 5, 6)
    x = p * 1
    x.scatter_reduce_(0, torch.tensor([0, 0, 2]), q, "prod")
    x.sum().backward()
    assert x.tolist() == [20, 2, 18]
    assert p.grad.tolist() == [20, 1, 6] and q.grad.tolist() == [5, 4, 3]


@pytest.mark.parametrize(
    "function, values, grad",
    [
        (torch.median, (0, 0, 1), [0.5, 0.5, 0]),
        (torch.max, (1, 1, 0), [0.5, 0.5, 0]),
        (lambda a: torch.atan2(a, a), (0, 1, 2), [0, 0, 0]),
        (lambda a: F.margin_ranking_loss(a, a * 0, torch.ones(3)), (0, 1, -1), [-1 / 3, 0, -1 / 3]),
        (lambda a: F.hinge_embedding_loss(a, -torch.ones(3)), (1, 2, 0), [-1 / 3, 0, -1 / 3]),
    ],
)
def test_gradients_at_ties(function, values, grad):
    a = leaf(*values)
    function(a).sum().backward()
    assert a.grad.tolist() == pytest.approx(grad)


def test_what_is_derived_twice():
    x = torch.tensor([0.3, 0.7, 1.2], dtype=torch.float64, requires_grad=True)
    for f in (
        lambda x: torch.logcumsumexp(x, 0) * torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64),
        lambda x: torch.polygamma(1, x),
        lambda x: torch.polygamma(3, x),
    ):
        assert torch.autograd.gradgradcheck(f, (x,))
    assert torch.polygamma(3, x.detach()).tolist() == pytest.approx(
        [743.1417646550497, 25.879149678427744, 3.2449948647257805]
    )
    (g,) = torch.autograd.grad(x.relu().sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    assert h.tolist() == [0, 0, 0]


def test_create_graph_warns_once(monkeypatch):
    import flambeau.autograd as autograd

    monkeypatch.setattr(autograd, "_warned", [])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            leaf(1).sum().backward(create_graph=True)
    assert len(caught) == 1 and "create_graph=True will create a reference cycle" in str(
        caught[0].message
    )


UNUSUAL = [float("nan"), float("inf"), float("-inf"), 0.0, 1.0, -1.0]
EVEN = torch.tensor([True, False, True, False, True, False])
FUNCTIONS = {
    "clamp": lambda a: a.clamp(-1, 1),
    "masked_fill": lambda a: a.masked_fill(EVEN, 0.0),
    "where": lambda a: torch.where(EVEN, a, torch.zeros(6)),
    "nan_to_num": lambda a: a.nan_to_num(),
    "max": lambda a: a.max(),
    "copysign": lambda a: torch.copysign(a, torch.ones(6)),
    "logit": lambda a: a.logit(0.1),
}


@pytest.mark.parametrize(
    "name, g, grad",
    [
        ("clamp", 1.0, "0 0 0 1 1 1"),
        ("clamp", float("nan"), "0 0 0 nan nan nan"),
        ("clamp", float("inf"), "0 0 0 inf inf inf"),
        ("masked_fill", 1.0, "0 1 0 1 0 1"),
        ("masked_fill", float("nan"), "0 nan 0 nan 0 nan"),
        ("masked_fill", float("inf"), "0 inf 0 inf 0 inf"),
        ("where", 1.0, "1 0 1 0 1 0"),
        ("where", float("nan"), "nan 0 nan 0 nan 0"),
        ("where", float("inf"), "inf 0 inf 0 inf 0"),
        ("nan_to_num", 1.0, "0 0 0 1 1 1"),
        ("nan_to_num", float("nan"), "nan nan nan nan nan nan"),
        ("nan_to_num", float("inf"), "nan nan nan inf inf inf"),
        ("max", 1.0, "1 0 0 0 0 0"),
        ("max", float("nan"), "nan 0 0 0 0 0"),
        ("max", float("inf"), "inf 0 0 0 0 0"),
        ("copysign", 1.0, "nan nan nan 0 1 -1"),
        ("copysign", float("nan"), "nan nan nan nan nan nan"),
        ("copysign", float("inf"), "nan nan nan nan inf -inf"),
        ("logit", 1.0, "nan 0 0 0 0 0"),
        ("logit", float("nan"), "nan 0 0 0 0 0"),
        ("logit", float("inf"), "nan 0 0 0 0 0"),
    ],
)
def test_gradients_of_what_is_no_number(name, g, grad):
    a = leaf(*UNUSUAL)
    y = FUNCTIONS[name](a)
    y.backward(torch.full(y.shape, g))
    assert " ".join(f"{value + 0.0:g}" for value in a.grad.tolist()) == grad
