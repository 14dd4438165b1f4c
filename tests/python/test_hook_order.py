"""Hooks of leaves that are ready together run in PyTorch's order."""

import math

import pytest

import flambeau as torch
from flambeau import nn


def order(module, *inputs):
    seen = []
    for name, p in module.named_parameters():
        p.register_hook(lambda g, name=name: seen.append(name))
    y = module(*inputs)
    (y[0] if isinstance(y, tuple) else y).sum().backward()
    return " ".join(seen)


@pytest.mark.parametrize(
    "module, shape, want",
    [
        (nn.Linear(2, 2), (1, 2), "bias weight"),
        (nn.Conv2d(2, 2, 1), (1, 2, 2, 2), "weight bias"),
        (nn.LayerNorm(2), (3, 2), "weight bias"),
        (nn.LSTM(2, 2), (3, 1, 2), "weight_ih_l0 bias_ih_l0 weight_hh_l0 bias_hh_l0"),
        (nn.Conv1d(2, 2, 1), (1, 2, 2), "weight bias"),
        (nn.Conv1d(2, 2, 1), (2, 2), "weight bias"),
        (nn.ConvTranspose1d(2, 2, 1), (1, 2, 2), "weight bias"),
        (nn.ConvTranspose2d(2, 2, 1), (1, 2, 2, 2), "weight bias"),
        (nn.Conv3d(2, 2, 1), (1, 2, 2, 2, 2), "weight bias"),
        (nn.ConvTranspose3d(2, 2, 1), (1, 2, 2, 2, 2), "weight bias"),
        (nn.GroupNorm(1, 2), (3, 2), "weight bias"),
        (nn.InstanceNorm1d(2, affine=True), (3, 2, 4), "bias weight"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_parameters(module, shape, want):
    assert order(module, torch.randn(shape)) == want


def order_of_all(module, *inputs):
    """The same, with the inputs' hooks, and those of states by both numbers."""
    seen = []
    for name, p in module.named_parameters():
        p.register_hook(lambda g, name=name: seen.append(name.replace("_l0", "")))
    given = []
    for i, x in enumerate(inputs):
        parts = [t.clone().requires_grad_() for t in (x if isinstance(x, tuple) else (x,))]
        for j, t in enumerate(parts):
            t.register_hook(lambda g, i=i, j=j: seen.append(f"{i}.{j}" if i and j else str(i)))
        given.append(tuple(parts) if isinstance(x, tuple) else parts[0])
    y = module(*given)
    while isinstance(y, tuple):
        y = y[0]
    y.sum().backward()
    return " ".join(seen)


def rows(*sizes):
    return torch.arange(float(math.prod(sizes))).reshape(sizes) / 10


STEPS = "bias_hh weight_hh bias_ih weight_ih 0"
ALL = [
    (nn.Linear(4, 3), (rows(2, 4),), "bias 0 weight"),
    (nn.Linear(4, 3), (rows(2, 2, 4),), "bias weight 0"),
    (nn.Linear(4, 3, bias=False), (rows(2, 2, 4),), "0 weight"),
    (nn.RNN(4, 3), (rows(3, 2, 4),), STEPS),
    (nn.RNN(4, 3, bias=False), (rows(3, 2, 4),), "weight_hh 0 weight_ih"),
    (nn.RNN(4, 3, batch_first=True), (rows(2, 3, 4), rows(1, 2, 3)), STEPS[:-2] + " 1 0"),
    (nn.GRU(4, 3), (rows(3, 2, 4), rows(1, 2, 3)), STEPS + " 1"),
    (nn.LSTM(4, 3), (rows(3, 2, 4), (rows(1, 2, 3), rows(1, 2, 3))),
     "0 weight_hh weight_ih bias_hh bias_ih 1.1 1"),
    (nn.LSTM(4, 3).double(), (rows(3, 2, 4).double(),), STEPS),
    (nn.LSTM(4, 3, proj_size=2), (rows(3, 2, 4),), "weight_hr " + STEPS),
    (nn.RNNCell(4, 3), (rows(2, 4), rows(2, 3)), "bias_ih 0 weight_ih bias_hh 1 weight_hh"),
    (nn.GRUCell(4, 3), (rows(2, 4), rows(2, 3)), "bias_hh 1 weight_hh bias_ih 0 weight_ih"),
    (nn.LSTMCell(4, 3), (rows(2, 4), (rows(2, 3), rows(2, 3))),
     "1.1 bias_ih 0 weight_ih bias_hh 1 weight_hh"),
    (nn.LSTMCell(4, 3, bias=False), (rows(2, 4), (rows(2, 3), rows(2, 3))),
     "1.1 0 weight_ih 1 weight_hh"),
    (nn.Bilinear(4, 3, 2), (rows(2, 4), rows(2, 3)), "bias weight 1 0"),
    (nn.MultiheadAttention(4, 2), (rows(3, 2, 4), rows(3, 2, 4), rows(3, 2, 4)),
     "out_proj.bias out_proj.weight 2 1 0 in_proj_bias in_proj_weight"),
    (nn.utils.parametrizations.weight_norm(nn.Linear(4, 2)), (rows(2, 4),),
     "bias 0 parametrizations.weight.original1 parametrizations.weight.original0"),
]


@pytest.mark.parametrize("module, inputs, want", ALL,
                         ids=[f"{type(m).__name__}{i}" for i, (m, _, _) in enumerate(ALL)])
def test_parameters_and_inputs(module, inputs, want):
    assert order_of_all(module, *inputs) == want


def test_hooks_see_zeros_for_inputs_that_want_none():
    class First(nn.Module):
        def forward(self, a, b):
            return a * 2

    seen = []
    module = First()
    module.register_full_backward_hook(lambda m, inputs, outputs: seen.append(inputs))
    module(torch.ones(2, requires_grad=True), torch.ones(3)).sum().backward()
    assert [g.tolist() for g in seen[0]] == [[2.0, 2.0], [0.0, 0.0, 0.0]]


@pytest.mark.parametrize("count, want", [(2, "01"), (3, "012"), (4, "0213"), (6, "025413"),
                                         (7, "0256413")])
def test_operands(count, want):
    """cat's operands, all leaves: the heap of C++'s library leaves them so."""
    leaves = [torch.ones(1, requires_grad=True) for _ in range(count)]
    seen = []
    for i, leaf in enumerate(leaves):
        leaf.register_hook(lambda g, i=i: seen.append(i))
    torch.cat(leaves).sum().backward()
    assert "".join(map(str, seen)) == want
