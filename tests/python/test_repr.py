"""repr, str and format of tensors: PyTorch's text to the letter.

Literal expectations are PyTorch 2.13's own output; where PyTorch is importable, random tensors are
compared too.
"""

import random

import pytest

import flambeau as torch

try:
    import torch as peer
except ImportError:
    peer = None


@pytest.fixture(autouse=True)
def default_options():
    yield
    torch.set_printoptions(profile="default")


CASES = [
    ("torch.tensor(12.)", "tensor(12.)"),
    ("torch.tensor(3)", "tensor(3)"),
    ("torch.tensor(True)", "tensor(True)"),
    ("torch.tensor([1.5, 2.25])", "tensor([1.5000, 2.2500])"),
    ("torch.tensor([1., 2., -3.])", "tensor([ 1.,  2., -3.])"),
    ("torch.tensor([1e-5, 1.])", "tensor([1.0000e-05, 1.0000e+00])"),
    ("torch.tensor([1e9])", "tensor([1.0000e+09])"),
    (
        "torch.tensor([1., float('nan'), float('inf'), -float('inf')])",
        "tensor([1., nan, inf, -inf])",
    ),
    ("torch.tensor([0.5, float('nan')])", "tensor([0.5000,    nan])"),
    ("torch.tensor([True, False])", "tensor([ True, False])"),
    ("torch.tensor([1, -20])", "tensor([  1, -20])"),
    ("torch.tensor([1], dtype=torch.int32)", "tensor([1], dtype=torch.int32)"),
    ("torch.tensor([1.], dtype=torch.float64)", "tensor([1.], dtype=torch.float64)"),
    ("torch.tensor([0.1], dtype=torch.bfloat16)", "tensor([0.1001], dtype=torch.bfloat16)"),
    ("torch.tensor([])", "tensor([])"),
    ("torch.zeros(0, 3)", "tensor([], size=(0, 3))"),
    ("torch.zeros(2, 0, dtype=torch.int64)", "tensor([], size=(2, 0), dtype=torch.int64)"),
    ("torch.tensor([[1, 2], [3, 4]])", "tensor([[1, 2],\n        [3, 4]])"),
    ("torch.zeros(1, 2, 2)", "tensor([[[0., 0.],\n         [0., 0.]]])"),
    ("torch.zeros(2, 1, 1)", "tensor([[[0.]],\n\n        [[0.]]])"),
    ("torch.ones(2, requires_grad=True)", "tensor([1., 1.], requires_grad=True)"),
    ("torch.ones(2, requires_grad=True) + 1", "tensor([2., 2.], grad_fn=<AddBackward0>)"),
    ("torch.arange(1001)", "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
    (
        "torch.arange(26.)",
        "tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., "
        "12., 13.,\n"
        "        14., 15., 16., 17., 18., 19., 20., 21., 22., 23., 24., 25.])",
    ),
    (
        "torch.nn.Parameter(torch.ones(1))",
        "Parameter containing:\ntensor([1.], requires_grad=True)",
    ),
]


@pytest.mark.parametrize("code, text", CASES)
def test_literal(code, text):
    assert repr(eval(code)) == text
    assert str(eval(code)) == text


def test_summary_of_a_matrix():
    rows = repr(torch.zeros(1000, 1000)).split("\n")
    assert rows[0] == "tensor([[0., 0., 0.,  ..., 0., 0., 0.],"
    assert rows[3] == "        ...,"
    assert len(rows) == 7


def test_options():
    torch.set_printoptions(precision=2, sci_mode=False)
    assert repr(torch.tensor([1e-5, 1.0])) == "tensor([0.00, 1.00])"
    torch.set_printoptions(threshold=5, edgeitems=1)
    assert repr(torch.arange(10)) == "tensor([0,  ..., 9])"
    torch.set_printoptions(profile="default")
    assert torch.get_printoptions() == {
        "precision": 4,
        "threshold": 1000,
        "edgeitems": 3,
        "linewidth": 80,
        "sci_mode": None,
    }
    with torch.printoptions(precision=1):
        assert repr(torch.tensor([0.25])) == "tensor([0.2])"
    assert repr(torch.tensor([0.25])) == "tensor([0.2500])"


def test_format():
    assert f"{torch.tensor(3.14159):.2f}" == "3.14"
    assert f"{torch.tensor(7):5d}" == "    7"
    assert f"{torch.tensor([1.])}" == "tensor([1.])"
    assert f"{torch.tensor(2.5, requires_grad=True):.1f}" == "2.5"
    with pytest.raises(TypeError):
        f"{torch.tensor([1.]):.2f}"


@pytest.mark.peer
@pytest.mark.skipif(peer is None, reason="PyTorch is not installed")
def test_random_tensors_beside_pytorch():
    random.seed(0)
    for _ in range(400):
        shape = [random.choice([0, 1, 2, 3, 7, 12, 40]) for _ in range(random.randint(0, 4))]
        x = peer.randn(shape) * 10.0 ** random.randint(-6, 9)
        if random.random() < 0.3:
            x = x.round()
        if random.random() < 0.2:
            x = peer.where(peer.rand(shape) < 0.3, float(random.choice(["nan", "inf", "-inf"])), x)
        name = random.choice(["float32", "float64", "bfloat16", "int64", "int32", "bool"])
        x = (
            x.clamp(-1e9, 1e9).nan_to_num().to(getattr(peer, name))
            if "int" in name
            else x.to(getattr(peer, name))
        )
        if x.numel() > 5000:
            continue
        ours = torch.tensor(x.tolist(), dtype=getattr(torch, name)).reshape(shape)
        options = {
            "precision": random.choice([None, 2]),
            "threshold": random.choice([10, 1000]),
            "edgeitems": random.choice([1, 3]),
            "linewidth": random.choice([40, 80]),
            "sci_mode": random.choice([None, None, True, False]),
        }
        peer.set_printoptions(**options)
        torch.set_printoptions(**options)
        try:
            assert repr(ours) == repr(x)
        finally:
            peer.set_printoptions(profile="default")
            torch.set_printoptions(profile="default")
