"""Random numbers are filled in the order of memory, whatever the order of the dims, as PyTorch
does.

Every expectation here is PyTorch's behaviour: with `flambeau` replaced by `torch` the file passes
as it is.
"""
import pytest

import flambeau as torch

F = torch.nn.functional
LAYOUTS = {
    "transposed": lambda: torch.empty(6, 4).t(),
    "middle": lambda: torch.empty(3, 2, 4).transpose(0, 1),
    "channels_last": lambda: torch.empty(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "gaps": lambda: torch.empty(8, 6)[::2, 1:5],
    "gaps_transposed": lambda: torch.empty(8, 6)[::2, 1:5].t(),
}
FILLS = {
    "uniform": lambda t: t.uniform_(),
    "bernoulli": lambda t: t.bernoulli_(0.4),
    "bernoulli_tensor": lambda t: t.bernoulli_(torch.full(t.shape, 0.4)),
    "random": lambda t: t.random_(100),
    "exponential": lambda t: t.exponential_(),
    "log_normal": lambda t: t.log_normal_(),
    "dropout": lambda t: F.dropout(t.fill_(1), 0.4, inplace=True),
}


def in_memory_order(t):
    return t.permute(sorted(range(t.dim()), key=lambda d: -t.stride(d))).flatten()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("fill", FILLS)
def test_fills(layout, fill):
    t = LAYOUTS[layout]()
    if fill == "dropout" and layout == "gaps_transposed":
        pytest.skip("the noise is a tensor of its own, whose layout is another question")
    torch.manual_seed(0)
    FILLS[fill](t)
    after = torch.rand(1)
    torch.manual_seed(0)
    line = FILLS[fill](torch.empty(t.numel()))
    assert torch.equal(in_memory_order(t), line) and torch.equal(torch.rand(1), after)


def test_normal_has_another_algorithm_for_layouts():
    torch.manual_seed(0)
    t = torch.empty(6, 4).t().normal_()
    assert torch.allclose(t[:, 0], torch.tensor([1.540996, -0.293429, -2.178789, 0.568431]))
    torch.manual_seed(0)
    t = torch.empty(6, 4).normal_()
    assert torch.allclose(t[0], torch.tensor([-1.12584, -1.15236, -0.250579, -0.433879]))


def test_dropout_of_a_transposed_input():
    torch.manual_seed(0)
    a = F.dropout(torch.ones(4, 6).t(), 0.5)
    torch.manual_seed(0)
    b = F.dropout(torch.ones(4, 6), 0.5)
    assert torch.equal(a, b.t()) and a.stride() == (1, 6)
