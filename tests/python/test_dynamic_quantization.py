"""torch.ao.quantization: nn.Linear with a weight of int8. The numbers are PyTorch's."""

import io

import pytest

import flambeau as torch
from flambeau import nn


def quantize(model, *arguments, **options):
    with pytest.warns(DeprecationWarning, match="^torch.ao.quantization is deprecated"):
        return torch.ao.quantization.quantize_dynamic(model, *arguments, **options)


def model():
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    with torch.no_grad():
        net[0].weight.copy_(torch.arange(12.0).view(3, 4) / 7 - 0.9)
        net[0].bias.copy_(torch.tensor([0.1, -0.2, 0.3]))
        net[2].weight.copy_(torch.arange(6.0).view(2, 3) / 3 - 1.1)
        net[2].bias.zero_()
    return net


def test_the_quantized_layer():
    net = model()
    q = quantize(net, {nn.Linear}, dtype=torch.qint8)
    assert repr(q[0]) == (
        "DynamicQuantizedLinear(in_features=4, out_features=3, dtype=torch.qint8, "
        "qscheme=torch.per_tensor_affine)"
    )
    assert type(net[0]) is nn.Linear and type(q[1]) is nn.ReLU
    x = torch.tensor([[0.5, -1.0, 2.0, 0.25], [1.0, 1.0, -0.5, 0.0]])
    expected = torch.tensor(QINT8)
    torch.testing.assert_close(q(x), expected, rtol=1e-6, atol=1e-6)
    assert (q(x) - net(x)).abs().max() < 0.05 and not torch.equal(q(x), net(x))
    assert q[0].weight_int.dtype == torch.int8
    torch.testing.assert_close(q[0].weight(), net[0].weight.detach(), rtol=0, atol=0.5 * 0.9 / 127)


QINT8 = [[-0.548324704170227, 0.7237885594367981], [-0.2849561274051666, 0.37614211440086365]]


def test_inputs_of_any_shape_and_range():
    q = quantize(model(), {nn.Linear})
    assert q(torch.zeros(2, 5, 4)).shape == (2, 5, 2)
    assert q(torch.zeros(0, 4)).shape == (0, 2)
    with pytest.raises(RuntimeError, match="^The dimension of input tensor should be larger than"):
        q[0](torch.zeros(4))
    torch.testing.assert_close(q[0](torch.zeros(1, 4))[0], q[0].bias)
    wide = nn.Linear(3000, 2, bias=False)
    x = torch.rand(3, 3000)
    q = quantize(nn.Sequential(wide), {nn.Linear})
    assert (q(x) - wide(x)).abs().max() < 0.1
    with pytest.raises(RuntimeError, match="^expected scalar type Float but found Double"):
        q(x.double())
    with pytest.raises(RuntimeError, match="^The number of rows in the packB .* K: 5"):
        q(x[:, :5])
    with pytest.raises(RuntimeError, match="^In ChooseQuantizationParams, min should be less than"):
        q(x * float("nan"))


WEIGHT = [[-60, 40, -17, 83], [26, -31, 69, 11], [-46, 54, -3, -60]]
BIAS = [0.1, -0.2, 0.3]
# torch.ops.quantized.linear_dynamic with a scale of 0.01, by seven and by eight bits
RANGES = [
    ([1e-4, -2e-4, 3e-4, 0], [0.09980174899, -0.19970110059, 0.29983592033], None),
    ([1e-3, 2e-3, 3e-3, 4e-3], [0.10305304826, -0.19786500931, 0.29813280702], None),
    ([-5, -6, -7, -5.5], [-2.6785037518, -5.0779528618, 2.8800787926],
     [-2.673921585, -5.0692548752, 2.8559608459]),
    ([1e-38, 0, 0, 0], BIAS, None),
]


@pytest.mark.parametrize("x, seven, eight", RANGES)
def test_the_operator_by_ranges(x, seven, eight):
    weight, scale = torch.tensor(WEIGHT, dtype=torch.int8), torch.tensor(0.01)
    for expected, reduce_range in ((seven, True), (eight or seven, False)):
        y = torch._quantized_linear_dynamic(torch.tensor([x]), weight, scale, torch.tensor(BIAS),
                                            reduce_range)
        torch.testing.assert_close(y, torch.tensor([expected]), rtol=1e-6, atol=1e-7)


def test_steps_are_rounded_once():
    """The zero point is added before x is rounded, in one rounding, and sums are exact."""
    x = torch.linspace(-1, 2, 3 * 127 + 1).reshape(-1, 1)
    y = torch._quantized_linear_dynamic(x, torch.ones(1, 1, dtype=torch.int8), torch.tensor(1.0),
                                        reduce_range=True)
    scale, zero = 3 / 127, round(127 / 3)
    steps = [round(v * float(1 / torch.tensor(scale)) + zero) for v in x.flatten().tolist()]
    found = (y / scale).round().int().flatten().tolist()
    assert found == [min(max(s, 0), 127) - zero for s in steps]
    wide = torch.ones(1, 200000)
    most = torch.full((1, 200000), -128, dtype=torch.int8)
    y = torch._quantized_linear_dynamic(wide, most, torch.tensor(1.0))
    assert y.item() == pytest.approx(-128 * 200000)


def test_halves_names_and_files():
    net = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
    q = quantize(net, {"a": torch.ao.quantization.default_dynamic_qconfig})
    assert q["a"]._get_name() == "DynamicQuantizedLinear" and type(q["b"]) is nn.Linear
    half = quantize(net, dtype=torch.float16)
    assert "dtype=torch.float16)" in repr(half) and half["a"].weight_int.dtype == torch.float16
    file = io.BytesIO()
    torch.save(q.state_dict(), file)
    file.seek(0)
    other = quantize(net, {"a"})
    assert str(other.load_state_dict(torch.load(file))) == "<All keys matched successfully>"


def test_what_is_missing_is_named():
    with pytest.raises(NotImplementedError, match="'0' is an nn.LSTM"):
        quantize(nn.Sequential(nn.LSTM(2, 2)))
    with pytest.raises(AttributeError, match="has no torch.ao.quantization.prepare_qat"):
        torch.ao.quantization.prepare_qat
    with pytest.raises(AttributeError, match="has no torch.ao.quantization.convert"):
        torch.quantization.convert
    with pytest.raises(ValueError, match="^Don't know how to quantize"):
        quantize(model(), dtype=torch.int8)
    with pytest.raises(TypeError, match="dtype"):
        torch.zeros(2, dtype=torch.qint8)
    assert repr(torch.per_channel_affine) == "torch.per_channel_affine" and torch.qint8.itemsize == 1
