"""Training for quantised numbers: PyTorch's values, gradients and refusals."""
import pytest

import flambeau as torch


def test_per_tensor():
    x = torch.tensor([-1.03, 0.249, 0.25, 0.31, 9.0, -9.0], requires_grad=True)
    y = torch.fake_quantize_per_tensor_affine(x, 0.1, 3, 0, 15)
    y.sum().backward()
    wanted = [-0.30000001192092896, 0.20000000298023224, 0.20000000298023224, 0.30000001192092896,
              1.2000000476837158, -0.30000001192092896]
    assert y.tolist() == wanted and x.grad.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    assert y.grad_fn.name() == "FakeQuantizePerTensorAffineCachemaskBackward0"
    steps = torch.tensor([3], dtype=torch.int32)
    again = torch.fake_quantize_per_tensor_affine(x, torch.tensor([0.1]), steps, 0, 15)
    assert again.tolist() == wanted


def test_per_channel():
    x = torch.tensor([[-1.03, 0.249, 0.25], [0.31, 9.0, -9.0]], requires_grad=True)
    scale, zero = torch.tensor([0.1, 0.2, 0.4]), torch.tensor([0, 3, 5], dtype=torch.int32)
    y = torch.fake_quantize_per_channel_affine(x, scale, zero, 1, 0, 15)
    y.sum().backward()
    assert y.tolist() == [[0.0, 0.20000000298023224, 0.4000000059604645],
                          [0.30000001192092896, 2.4000000953674316, -2.0]]
    assert x.grad.tolist() == [[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]


def test_refusals():
    x, two = torch.ones(2, 3), torch.ones(2)
    with pytest.raises(RuntimeError, match="^`quant_min` should be less than or         equal to"):
        torch.fake_quantize_per_tensor_affine(x, 0.1, 3, 5, 4)
    with pytest.raises(RuntimeError, match="^`zero_point` must be between"):
        torch.fake_quantize_per_tensor_affine(x, 0.1, 30, 0, 15)
    with pytest.raises(RuntimeError, match="^dimensions of scale and zero-point are not consist"):
        torch.fake_quantize_per_channel_affine(x, two, two.int(), 1, 0, 15)
    with pytest.raises(RuntimeError, match="^scale and zero-point need to have the same dim"):
        torch.fake_quantize_per_channel_affine(x, torch.ones(3), two.int(), 1, 0, 15)
    with pytest.raises(IndexError, match="^Dimension out of range"):
        torch.fake_quantize_per_channel_affine(x, two, two.int(), 5, 0, 15)
