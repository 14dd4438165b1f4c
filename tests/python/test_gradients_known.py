"""Gradients, and refusals, by numbers and texts that are PyTorch 2.13's."""

import pytest

import flambeau as torch
import flambeau.nn.functional as F


def test_bessel_functions():
    x = torch.tensor([0.0, 0.5, -3.0], dtype=torch.float64, requires_grad=True)
    g, = torch.autograd.grad(torch.i0(x).sum(), x, create_graph=True)
    assert g.tolist() == pytest.approx([0.0, 0.25789430539089636, -3.9533702174026093], rel=1e-14)
    again, = torch.autograd.grad(g.sum(), x)
    assert again.tolist() == pytest.approx([0.5, 0.5476947599595309, 3.563002513397487], rel=1e-14)
    assert torch.special.i1(torch.tensor([20.0, -2.0], dtype=torch.float64)).tolist() == pytest.approx(
        [42454973.385127775, -1.5906368546373295], rel=1e-14)


def test_as_strided_scatter():
    x, s = torch.randn(6, requires_grad=True), torch.randn(2, 2, requires_grad=True)
    y = torch.as_strided_scatter(x, s, (2, 2), (1, 1), 0)
    assert y[3:].tolist() == x[3:].tolist() and y[0].item() == s[0, 0].item()
    y.backward(torch.arange(1.0, 7))
    assert x.grad.tolist() == [1, 2, 3, 0, 0, 0] and s.grad.tolist() == [[1, 2], [2, 3]]


def test_batch_norm_of_nothing():
    x, w = torch.zeros(0, requires_grad=True), torch.ones(3, requires_grad=True)
    y = F.batch_norm(x, torch.zeros(0), torch.ones(0), None, None, True)
    assert y.shape == (0,) and y.requires_grad
    F.batch_norm(torch.zeros(0, 3, 2), None, None, w, torch.ones(3), True).sum().backward()
    assert w.grad.tolist() == [0, 0, 0]


@pytest.mark.parametrize("f, error, text", [
    # a composite's check, by function, method and namespace
    (lambda: torch.polygamma(-1, torch.ones(2)), RuntimeError,
     "does not support negative n"),
    (lambda: torch.ones(2).polygamma(-1), RuntimeError, "does not support negative n"),
    (lambda: torch.special.polygamma(-1, torch.ones(2)), RuntimeError,
     "does not support negative n"),
    (lambda: torch.tensor(1.0).roll(0, 0), IndexError, "Dimension specified as 0 but tensor has no dimensions"),
    (lambda: F.rrelu(torch.ones(2), 0.3, 0.1), RuntimeError,
     "Lower bound should be less than or equal to the upper bound"),
    (lambda: F.rrelu(torch.ones(2), float("inf"), 0.1), RuntimeError, "rrelu: lower bound must be finite, got inf"),
    (lambda: F.multilabel_margin_loss(torch.ones(0), torch.ones(0, dtype=torch.int64)), RuntimeError,
     r"Expected non-empty vector or matrix with optional 0-dim batch size, but got: \[0\]"),
    (lambda: F.multilabel_margin_loss(torch.ones(2, 3), torch.ones(3, dtype=torch.int64)), RuntimeError,
     r"inconsistent target size: \[3\] for input of size: \[2, 3\]"),
])
def test_refusals(f, error, text):
    with pytest.raises(error, match=text):
        f()
