"""Convolutions and pools over three spatial dims, fractional pools, unpooling: PyTorch's values."""
import pytest

import flambeau as torch
import flambeau.nn.functional as f
from flambeau import nn
from flambeau.autograd.gradcheck import gradcheck, gradgradcheck

# The call; of PyTorch 2.13: the shape, three results, three elements of x's gradient for the sum of
# squares, and the sums of the magnitudes of all results and of all elements of that gradient.
CASES = [
    ("f.conv3d(x, w, None, (1, 2, 1), (1, 1, 0))",
     [1, 2, 4, 2, 2], [-0.208166, -3.67049, -3.48196], [0.791112, 74.7374, -5.13821],
     125.146, 2491.05),
    ("f.conv_transpose3d(x, w, None, 2, 1, (1, 0, 1))",
     [1, 2, 5, 7, 8], [0.0474778, 0.56954, -0.824985], [16.8762, 14.2964, -10.8398],
     433.643, 1191.65),
    ("f.max_pool3d(x, (2, 2, 3), (1, 2, 1), (1, 0, 1))",
     [1, 2, 4, 2, 4], [0.850437, 0.894791, 0.894791], [7.97175, 0.0, 0.0],
     59.826, 119.652),
    ("f.avg_pool3d(x, 2, 1, 1, True, False)",
     [1, 2, 4, 5, 5], [0.0, 0.425218, 0.872614], [0.0426243, 0.0138896, -0.00862635],
     49.8861, 62.8099),
    ("f.adaptive_max_pool3d(x, (2, None, 3))",
     [1, 2, 2, 4, 3], [0.850437, 0.894791, 0.894791], [3.98588, 1.19124, 0.0],
     40.3491, 80.6982),
    ("f.lp_pool3d(x, 2.0, 2)",
     [1, 2, 1, 2, 2], [2.20467, 1.72414, 1.71226], [1.99294, 1.19124, -0.739576],
     15.8868, 81.1729),
    ("f.fractional_max_pool3d(x, (1, 2, 2), (2, 2, 2), _random_samples=u)",
     [1, 2, 2, 2, 2], [0.850437, 0.894791, 0.960907], [0.0, 0.0, 0.0],
     13.8793, 27.7586),
    ("f.fractional_max_pool2d(x[:, :, 0], 2, (2, 3), _random_samples=u[..., :2])",
     [1, 2, 2, 3], [0.850437, 0.894791, 0.894791], [0.0, 0.0, 0.0],
     10.5587, 21.1175),
    ("f.max_unpool3d(*f.max_pool3d(x, 2, return_indices=True), 2, output_size=(3, 4, 4))",
     [1, 2, 3, 4, 4], [0.0, 0.0, 0.894791], [1.99294, 0.0, 0.0],
     7.64085, 15.2817),
]


def operands(dtype=torch.float32):
    x = (torch.arange(1 * 2 * 3 * 4 * 4.0, dtype=dtype).view(1, 2, 3, 4, 4) * 7.3).sin()
    w = (torch.arange(2 * 2 * 2 * 3 * 3.0, dtype=dtype).view(2, 2, 2, 3, 3) * 1.7).cos()
    u = torch.tensor([[[0.3, 0.6, 0.9], [0.1, 0.5, 0.2]]], dtype=dtype)
    return x.requires_grad_(), w.requires_grad_(), u


@pytest.mark.parametrize("call, shape, first, grads, total, slope", CASES)
def test_values(call, shape, first, grads, total, slope):
    x, w, u = operands()
    y = eval(call, {"f": f, "x": x, "w": w, "u": u})
    (y * y).sum().backward()
    assert list(y.shape) == shape
    assert y.flatten()[:3].tolist() == pytest.approx(first, rel=1e-4, abs=1e-5)
    assert x.grad.flatten()[20:23].tolist() == pytest.approx(grads, rel=1e-4, abs=1e-4)
    assert y.double().abs().sum().item() == pytest.approx(total, rel=1e-4)
    assert x.grad.double().abs().sum().item() == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize("call", [
    lambda x, w: f.conv3d(x, w, None, (1, 2, 1), (1, 1, 0), (2, 1, 1)),
    lambda x, w: f.conv_transpose3d(x, w, None, 2, 1, (1, 0, 1)),
])
def test_derivatives(call):
    x, w, _ = operands(torch.float64)
    x = x[..., :3].detach().requires_grad_()
    assert gradcheck(call, (x, w))
    assert gradgradcheck(call, (x, w))


def test_positions_are_those_of_the_whole_volume():
    x, _, _ = operands()
    y, at = f.max_pool3d(x, 2, 1, return_indices=True)
    assert torch.equal(x.flatten(2).gather(2, at.flatten(2)), y.flatten(2))
    y, at = nn.AdaptiveMaxPool3d((2, 3, 1), return_indices=True)(x)
    assert torch.equal(x.flatten(2).gather(2, at.flatten(2)), y.flatten(2))


def test_modules():
    torch.manual_seed(0)
    x, _, _ = operands()
    conv = nn.Conv3d(2, 4, (2, 3, 3), padding=(0, 1, 1))
    assert repr(conv) == ("Conv3d(2, 4, kernel_size=(2, 3, 3), stride=(1, 1, 1), "
                          "padding=(0, 1, 1))")
    back = nn.ConvTranspose3d(4, 2, (2, 3, 3), padding=(0, 1, 1))
    assert back(conv(x)).shape == x.shape
    pool, unpool = nn.MaxPool3d(2, return_indices=True), nn.MaxUnpool3d(2)
    assert unpool(*pool(x), output_size=x.shape).shape == x.shape
    assert nn.FractionalMaxPool3d(2, output_ratio=0.5)(x).shape == (1, 2, 1, 2, 2)


@pytest.mark.parametrize("call, text", [
    (lambda x: f.conv3d(x, torch.ones(1, 2, 4, 1, 1)), "Kernel size can't be greater than actual"),
    (lambda x: f.conv3d(x, torch.ones(1, 3, 1, 1, 1)), "to have 3 channels, but got 2 channels"),
    (lambda x: f.max_pool3d(x, 2, padding=2), "pad should be at most half of"),
    (lambda x: f.max_unpool3d(x, torch.full(x.shape, 500), 1), "Found an invalid max index: 500"),
    (lambda x: f.fractional_max_pool3d(x, 3, (2, 2, 2)), "too large relative to input"),
])
def test_errors(call, text):
    with pytest.raises(RuntimeError, match=text):
        call(torch.zeros(1, 2, 3, 4, 4))


def test_means_of_integers_are_cut_off_once():
    x = (torch.arange(60) * 7 % 23 - 11).reshape(1, 1, 3, 4, 5)
    for kwargs, expected in (
        (dict(kernel_size=2), [0, 0, 0, 0]),
        (dict(kernel_size=2, divisor_override=3), [-1, -2, 1, 0]),
        (dict(kernel_size=(2, 3, 3), stride=2, padding=1, count_include_pad=False, ceil_mode=True),
         [-1, 1, 2, 1, 1, 3, 5, 0, 3, -1, -1, 0, 0, 0, 2, 2, 0, 6]),
    ):
        y = torch.nn.functional.avg_pool3d(x, **kwargs)
        assert y.dtype == torch.int64 and y.flatten().tolist() == expected
