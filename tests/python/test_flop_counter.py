"""Counts of operations and sizes of arguments, from calls that are written down. The counts are
PyTorch's."""

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.profiler import profile, record_function
from flambeau.utils.flop_counter import FlopCounterMode


def count(work):
    with FlopCounterMode(display=False) as counter:
        work()
    return {str(k): n for k, n in counter.get_flop_counts()["Global"].items()}


def leaf(*sizes):
    return torch.ones(sizes, requires_grad=True)


CONV, BACK = "aten.convolution", "aten.convolution_backward"


@pytest.mark.parametrize("work, expected", [
    (lambda: nn.Linear(4, 5)(leaf(2, 3, 4)), {"aten.addmm": 240, "aten.mm": 480}),
    (lambda: nn.Linear(4, 5, bias=False)(leaf(4)), {"aten.mm": 120}),
    (lambda: leaf(3, 4) @ leaf(4, 5), {"aten.mm": 360}),
    (lambda: leaf(3, 4) @ leaf(4), {}),
    (lambda: leaf(2, 3, 4) @ leaf(4, 5), {"aten.mm": 720}),
    (lambda: torch.baddbmm(leaf(2, 3, 5), leaf(2, 3, 4), leaf(2, 4, 5)),
     {"aten.baddbmm": 240, "aten.bmm": 480}),
    (lambda: torch.einsum("bij,bjk->bik", leaf(2, 3, 4), leaf(2, 4, 5)), {"aten.bmm": 720}),
    (lambda: nn.Conv1d(4, 6, 3)(leaf(2, 4, 9)), {CONV: 2016, BACK: 4032}),
    (lambda: nn.Conv2d(4, 6, 3, 2, 1, groups=2)(leaf(2, 4, 9, 9)), {CONV: 10800, BACK: 32400}),
    (lambda: nn.Conv2d(4, 6, 3)(leaf(4, 9, 9)), {CONV: 21168, BACK: 42336}),
    (lambda: nn.Conv3d(2, 3, 3)(leaf(1, 2, 5, 5, 5)), {CONV: 8748, BACK: 17496}),
    (lambda: nn.ConvTranspose2d(4, 6, 3, 2)(leaf(2, 4, 5, 5)), {CONV: 21600, BACK: 43200}),
    (lambda: nn.ConvTranspose2d(4, 6, 3, 2, groups=2)(leaf(2, 4, 5, 5)),
     {CONV: 10800, BACK: 32400}),
])
def test_counts(work, expected):
    assert count(lambda: work().sum().backward()) == expected


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 5)
        self.b = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 2))

    def forward(self, x):
        return self.b(self.a(x))


def test_counts_of_modules(capsys):
    net = Net()
    with FlopCounterMode() as counter:
        net(torch.ones(3, 4)).sum().backward()
        assert counter.get_total_flops() == 996
    counts = {k: sum(v.values()) for k, v in counter.get_flop_counts().items()}
    assert counts == {"Net": 996, "Net.a": 240, "Net.b": 756, "Net.b.0": 540, "Net.b.2": 216,
                      "Global": 996}
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["Module", "FLOP", "%", "Total"]
    assert "Net.a          240.000   24.10%" in lines[5] and len(lines) == 11
    assert not any("Net.b.0" in line for line in lines)
    with FlopCounterMode(display=False) as counter:
        pass
    assert counter.get_total_flops() == 0 and "Global" in counter.get_table()


def test_a_counter_that_fails_leaves_nothing():
    with pytest.raises(ValueError):
        with FlopCounterMode(display=False):
            raise ValueError
    with FlopCounterMode(display=False) as counter:
        with pytest.raises(RuntimeError, match="inside a profile"):
            FlopCounterMode().__enter__()
        nn.Linear(2, 2)(torch.ones(1, 2))
    assert counter.get_total_flops() == 8
    with pytest.raises(NotImplementedError, match="custom_mapping"):
        FlopCounterMode(custom_mapping={1: 2})


def test_the_profiler_keeps_sizes():
    x = torch.ones(2, 3)
    with profile(record_shapes=True, profile_memory=True) as p:
        with record_function("mine"):
            x @ torch.ones(3, 4)
        torch.cat([x, x])
        x @ torch.ones(3, 5)
        with pytest.raises(RuntimeError):
            x @ x
    events = {e.name: e.input_shapes for e in p.events()}
    assert events["aten::cat"] == [[[2, 3], [2, 3]], []] and events["mine"] == []
    grouped = [e for e in p.key_averages(group_by_input_shape=True) if e.key == "aten::matmul"]
    assert sorted(e.input_shapes for e in grouped) == [
        [[2, 3], [2, 3]], [[2, 3], [3, 4]], [[2, 3], [3, 5]]]
    head, row = p.key_averages(group_by_input_shape=True).table(row_limit=1).splitlines()[1:4:2]
    assert head.endswith("Input Shapes") and row.endswith("]") and len(row) == len(head)
    assert "Input Shapes" not in p.key_averages().table()
    assert len([e for e in p.key_averages() if e.key == "aten::matmul"]) == 1
    with profile() as p:
        x @ torch.ones(3, 4)
    assert all(e.input_shapes == [] for e in p.events())
