"""What the table says of a gradient that is no formula: a constant, one that PyTorch has not either,
and an argument that must not ask. Texts and numbers are PyTorch 2.13's."""
import pytest

import flambeau as torch
import flambeau.nn.functional as F

TWO = torch.tensor([2.0, 2.0, 2.0])
INDEX = torch.tensor([0, 1, 0])


def history():
    """A leaf and what was made of it."""
    leaf = torch.tensor([1.5, 2.0, 3.0], requires_grad=True)
    return leaf, leaf * 1


@pytest.mark.parametrize("name", ["eq_", "ne_", "lt_", "le_", "gt_", "ge_", "logical_and_",
                                  "logical_or_", "logical_xor_"])
def test_a_truth_value_ends_the_history(name):
    # (PyTorch's logical forms keep the old history: a gradient of 1, which is wrong.)
    leaf, x = history()
    getattr(x, name)(TWO)
    assert x.requires_grad
    x.sum().backward()
    assert leaf.grad.tolist() == [0, 0, 0]


def test_a_truth_value_of_one_operand_ends_the_history():
    leaf, x = history()
    x.logical_not_()
    x.sum().backward()
    assert leaf.grad.tolist() == [0, 0, 0]
    leaf, x = history()
    x[1:].gt_(2.5)
    x.sum().backward()
    assert leaf.grad.tolist() == [1, 0, 0]
    x = torch.ones(3)
    assert not x.gt_(0).requires_grad


def test_without_grad_mode_a_write_leaves_the_history():
    leaf, x = history()
    with torch.no_grad():
        x.gt_(2.5)
    x.sum().backward()
    assert leaf.grad.tolist() == [1, 1, 1]


@pytest.mark.parametrize("name, call", [
    ("floor_divide", lambda x: x // TWO),
    ("floor_divide", lambda x: torch.floor_divide(TWO, x)),
    ("floor_divide_", lambda x: x.floor_divide_(TWO)),
    ("floor_divide_", lambda x: torch.ones(3).floor_divide_(x)),
    ("heaviside", lambda x: torch.heaviside(x, TWO)),
    ("heaviside", lambda x: torch.heaviside(TWO, x)),
    ("heaviside_", lambda x: x.heaviside_(TWO)),
    ("scatter_", lambda x: x.scatter_(0, INDEX, TWO, reduce="multiply")),
    ("scatter_", lambda x: x.scatter_(0, INDEX, TWO, reduce="add")),
    ("scatter_", lambda x: x.scatter_(0, INDEX, 2.0, reduce="multiply")),
    ("scatter_", lambda x: torch.ones(3).scatter_(0, INDEX, x, reduce="multiply")),
    ("scatter", lambda x: x.scatter(0, INDEX, TWO, reduce="multiply")),
    ("bincount", lambda x: torch.bincount(INDEX, x)),
])
def test_what_pytorch_cannot_derive_raises_in_backward(name, call):
    _, x = history()
    y = call(x)
    assert y.requires_grad and y.grad_fn.name() == "NotImplemented"
    with pytest.raises(RuntimeError) as caught:
        y.sum().backward()
    assert str(caught.value).splitlines()[0] == f"derivative for aten::{name} is not implemented"


@pytest.mark.parametrize("function, argument, call", [
    ("nll_loss_forward", "weight",
     lambda w: F.nll_loss(torch.ones(2, 3), torch.tensor([0, 1]), w)),
    ("nll_loss_forward", "weight",
     lambda w: F.cross_entropy(torch.ones(2, 3), torch.tensor([0, 1]), w)),
    ("native_batch_norm", "running_mean",
     lambda w: F.batch_norm(torch.ones(4, 3), w, torch.ones(3))),
    ("native_batch_norm", "running_var",
     lambda w: F.batch_norm(torch.ones(4, 3), torch.ones(3), w)),
])
def test_an_argument_that_must_not_ask(function, argument, call):
    leaf, x = history()
    with pytest.raises(RuntimeError) as caught:
        call(x)
    assert str(caught.value).splitlines()[0] == (
        f"The function '{function}' is not differentiable with respect to argument '{argument}'. "
        "This input cannot have requires_grad True.")
    with torch.no_grad():
        assert not call(x).requires_grad


def test_probabilities_of_a_draw_get_zeros():
    leaf, x = history()
    torch.ones(2, 3).bernoulli_(x / 4).sum().backward()
    assert leaf.grad.tolist() == [0, 0, 0]


@pytest.mark.parametrize("call", [
    torch.zeros_like, torch.ones_like, torch.empty_like, lambda x: torch.full_like(x, 2),
    lambda x: x.new_zeros(3), lambda x: x.new_full((3,), 1.0), lambda x: torch.nonzero(x),
    lambda x: torch.searchsorted(x, TWO), lambda x: x.argmax(), torch.isnan,
    lambda x: torch.multinomial(x, 2)])
def test_constants(call):
    assert not call(history()[1]).requires_grad
