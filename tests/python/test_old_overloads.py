"""Numbers before the last tensor: overloads that PyTorch has deprecated, and old optimizers use."""

import warnings

import pytest

import flambeau as torch

x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
v = torch.tensor([1.0, 2.0])
b = x[None]


@pytest.mark.parametrize(
    "call, value",
    [
        (lambda: torch.add(x, 2, x), [[3, 6], [9, 12]]),
        (lambda: x.add(-1, v), [[0, 0], [2, 2]]),
        (lambda: x.clone().add_(2, v), [[3, 6], [5, 8]]),
        (lambda: torch.sub(x, 2, x), [[-1, -2], [-3, -4]]),
        (lambda: x.clone().sub_(0.5, v), [[0.5, 1], [2.5, 3]]),
        (lambda: torch.addcmul(x, 2, x, x), [[3, 10], [21, 36]]),
        (lambda: x.clone().addcdiv_(3, x, x), [[4, 5], [6, 7]]),
        (lambda: torch.addmm(2, x, 3, x, x), [[23, 34], [51, 74]]),
        (lambda: torch.addmm(2, x, x, x), [[9, 14], [21, 30]]),
        (lambda: x.addmm(2, 3, x, x), [[23, 34], [51, 74]]),
        (lambda: x.clone().addmm_(0, x, x), [[7, 10], [15, 22]]),
        (lambda: torch.addmv(0, v, 2, x, v), [10, 22]),
        (lambda: torch.addr(2, x, v, v), [[3, 6], [8, 12]]),
        (lambda: torch.baddbmm(0, b, 2, b, b), [[[14, 20], [30, 44]]]),
        (lambda: x.addbmm(1, 2, b, b), [[15, 22], [33, 48]]),
        (lambda: torch.add(x, 2, x, out=torch.empty(2, 2)), [[3, 6], [9, 12]]),
    ],
)
def test_value(call, value):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert call().tolist() == value


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.add(x, 2, 3, x),
        lambda: x.add(2, 3),
        lambda: torch.add(x, True, x),
        lambda: torch.add(x, 2, x, alpha=2),
        lambda: torch.mul(x, 2, x),
        lambda: x.addcmul(2, 3, x, x),
        lambda: torch.add(2, x, x),
        lambda: torch.addcmul(x, x, 2, x),
        lambda: x.addmm(x, 2, x),
    ],
)
def test_others_stay_refused(call):
    with pytest.raises((TypeError, RuntimeError)):
        call()
