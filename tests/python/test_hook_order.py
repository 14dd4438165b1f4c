"""Hooks of leaves that are ready together run in PyTorch's order."""

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
