"""flambeau.masked: values that PyTorch gives, lines without an element, gradients, refusals."""
import math

import pytest

import flambeau as fl
from flambeau import masked

INF, NAN = math.inf, math.nan
X = [[1.0, 4, 9, 16], [2, 3, 7, 5], [0, 1, 8, 2]]
MASK = [[True, False, True, True], [False] * 4, [True, True, False, False]]
VALUES = {
    "sum": [26.0, 0.0, 1.0],
    "prod": [144.0, 1.0, 0.0],
    "amax": [16.0, -INF, 1.0],
    "amin": [1.0, INF, 0.0],
    "mean": [8.666666666666666, NAN, 0.5],
    "logsumexp": [16.000911772077355, -INF, 1.3132616875182228],
    "std": [7.505553499465135, NAN, 0.7071067811865475],
    "var": [56.333333333333336, NAN, 0.5],
    "norm": [18.384776310850235, 0.0, 1.0],
    "softmax": [
        [3.0562353442158933e-07, 0.0, 0.0009110509159619593, 0.9990886434605036],
        [NAN, NAN, NAN, NAN],
        [0.26894142136999516, 0.7310585786300049, 0.0, 0.0],
    ],
    "log_softmax": [
        [-15.000911772077355, -INF, -7.000911772077355, -0.0009117720773554094],
        [NAN, NAN, NAN, NAN],
        [-1.3132616875182228, -0.31326168751822286, -INF, -INF],
    ],
    "softmin": [
        [0.9996643441724409, 0.0, 0.0003353500279165281, 3.057996426052855e-07],
        [NAN, NAN, NAN, NAN],
        [0.7310585786300049, 0.26894142136999516, 0.0, 0.0],
    ],
    "cumsum": [[1.0, 1.0, 10.0, 26.0], [0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 1.0]],
    "cumprod": [[1.0, 1.0, 9.0, 144.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]],
}


def equal(got, want):
    for g, w in zip(got.flatten().tolist(), fl.tensor(want, dtype=fl.float64).flatten().tolist()):
        assert g == w or g != g and w != w or abs(g - w) <= 1e-12 * max(abs(w), 1), (got, want)
    assert got.shape == fl.tensor(want).shape


@pytest.mark.parametrize("name", VALUES)
def test_values(name):
    x, mask = fl.tensor(X, dtype=fl.float64), fl.tensor(MASK)
    function = getattr(masked, name)
    equal(function(x, dim=1, mask=mask), VALUES[name])
    whole = function(x, dim=1)
    equal(function(x, dim=1, mask=fl.ones(4, dtype=fl.bool)), whole.tolist())
    assert whole.dtype == fl.float64


def test_positions_and_medians():
    x, mask = fl.tensor(X, dtype=fl.float64), fl.tensor(MASK)
    assert masked.argmax(x, 1, mask=mask).tolist() == [3.0, 0.0, 1.0]
    assert masked.argmin(x, 1, mask=mask, dtype=fl.int64).tolist() == [0, 0, 0]
    equal(masked.median(x, 1, mask=mask), [9.0, NAN, 0.0])
    with pytest.raises(ValueError, match="no fully masked out rows"):
        masked.median(x.to(fl.int64), 1, mask=mask)
    equal(masked.normalize(x, 2.0, 1, mask=mask),
          [[0.05439282932204212, 0, 0.4895354638983791, 0.8702852691526739], [0.0] * 4, [0, 1.0, 0, 0]])
    equal(masked.logaddexp(x[0], x[1], input_mask=mask[0], other_mask=mask[2]),
          [2.313261687518223, 3.0, 9.0, 16.0])


def test_all_dims_and_integers():
    x, mask = fl.tensor(X), fl.tensor(MASK)
    assert masked.sum(x, mask=mask).item() == 27 and masked.amax(x, mask=~mask).item() == 8
    whole = x.to(fl.int32)
    assert masked.sum(whole, 0, mask=mask).tolist() == [1, 1, 9, 16]
    assert masked.sum(whole, 0).dtype == fl.int64
    assert masked.amax(whole, 1, mask=mask).tolist() == [16, -(2**31), 1]
    assert masked.mean(x, (0, 1), keepdim=True, mask=mask).shape == (1, 1)


def test_gradients_leave_out_what_is_masked():
    x = fl.tensor(X, dtype=fl.float64, requires_grad=True)
    mask = fl.tensor(MASK)
    masked.sum(x * x, mask=mask).backward()
    assert x.grad.tolist() == (2 * x * mask).tolist()


def test_refusals():
    x = fl.tensor(X)
    with pytest.raises(ValueError, match="floating point or complex dtype"):
        masked.mean(x.to(fl.int64), 1)
    with pytest.raises(IndexError, match="broadcastable mask"):
        masked.sum(x, mask=fl.ones(1, 3, 4, dtype=fl.bool))
    with pytest.raises(IndexError, match="Dimension out of range"):
        masked.sum(x, 3)


def test_without_a_mask_on_a_device_without_values():
    x = fl.ones(2, 3, device="meta")
    assert fl.masked.mean(x, 1).device.type == "meta"
