"""Random numbers are drawn in the order in which elements lie in memory (PyTorch 2.13's values)."""

import pytest

import flambeau as torch
from flambeau.nn import functional as F


def near(x, values):
    assert torch.allclose(x.double(), torch.tensor(values, dtype=torch.float64), atol=1e-4)


def test_transposed_memory_is_filled_in_its_own_order():
    torch.manual_seed(0)
    near(torch.empty(2, 3).t().uniform_(), [[0.4963, 0.1320], [0.7682, 0.3074], [0.0885, 0.6341]])
    torch.manual_seed(0)
    near(
        torch.empty(20, 30).t().normal_()[1, :6],
        [-0.2934, -1.3125, -0.1334, 0.8477, 1.4251, 0.9638],
    )
    torch.manual_seed(0)
    near(torch.empty(6, 4)[:, ::2].normal_()[:2], [[1.5410, -0.2934], [-2.1788, 0.5684]])
    torch.manual_seed(0)
    assert torch.empty(3, 4).t().random_(10).tolist() == [[4, 3, 7], [9, 9, 3], [3, 7, 1], [0, 3, 6]]
    torch.manual_seed(0)
    chances = torch.full((4, 3), 0.5)
    drawn = torch.empty(3, 4).t().bernoulli_(chances).tolist()
    assert drawn == [[1, 1, 1], [0, 0, 0], [1, 1, 1], [1, 0, 1]]


def test_likes_and_dropout_keep_the_layout():
    torch.manual_seed(0)
    last = torch.ones(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    x = torch.rand_like(last)
    assert x.stride() == (60, 1, 15, 3)
    near(x[0, :, 0, :2], [[0.4963, 0.1320], [0.7682, 0.3074], [0.0885, 0.6341]])
    torch.manual_seed(0)
    y = F.dropout(torch.ones(5, 4).t(), 0.5)
    assert y.stride() == (1, 4)
    assert y.tolist() == [[0, 0, 0, 2, 2], [0, 0, 2, 0, 2], [2, 2, 2, 2, 0], [0, 2, 2, 2, 0]]


@pytest.mark.parametrize("f", [F.dropout, F.dropout2d])
def test_dropout_of_everything_draws_nothing(f):
    torch.manual_seed(0)
    assert f(torch.ones(1, 3, 2, 2), 1.0).sum() == 0
    near(torch.rand(1), [0.4963])


def test_dropout_needs_floats():
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output"):
        F.dropout(torch.tensor([1, 2]), 0.5)


def test_rrelu_draws_a_double_for_each_element_not_above_0():
    torch.manual_seed(0)
    near(F.rrelu(torch.linspace(-1, 1, 6), training=True), [-0.3271, -0.1635, -0.0441, 0.2, 0.6, 1])
    near(torch.rand(1), [0.4901])
    x = torch.full((3,), -1.0, requires_grad=True)
    torch.manual_seed(0)
    y = F.rrelu(x * 1, training=True, inplace=True)
    y.sum().backward()
    near(x.grad, [0.3271, 0.2725, 0.2207])


def test_integers_for_floats_stay_in_range():
    def drawn(dtype, low, high):
        torch.manual_seed(0)
        return torch.empty(4, dtype=dtype).random_(low, high).tolist()

    assert drawn(torch.float32, 0, 2**30) == [382722848, 784923008, 710291712, 375180448]
    torch.manual_seed(0)
    torch.empty(4).random_(0, 2**30)
    assert torch.empty(4, dtype=torch.bfloat16).random_(0, 1000).tolist() == [61, 448, 41, 14]
    halves = torch.empty(4, dtype=torch.float16).random_(-3000, 4097)
    assert halves.tolist() == [-687, -1615, 2628, 1239]


def test_gumbel_noise_is_drawn_in_logical_order():
    torch.manual_seed(0)
    y = F.gumbel_softmax(torch.zeros(4, 3).t(), dim=-1)
    near(y[0], [0.0914, 0.2607, 0.5214, 0.1265])


@pytest.mark.filterwarnings("ignore:.*is out of bounds")
def test_integers_up_to_the_last_that_a_dtype_holds():
    def drawn(dtype, *bounds):
        torch.manual_seed(1)
        return torch.empty(2, dtype=dtype).random_(*bounds).tolist()

    least, far = -(2**63), 2**62
    assert drawn(torch.int64, least, None) == [7692698082559361259, -5159102565782383544]
    assert drawn(torch.float32, least, None) == [7.692697919362695e18, -5.159102621327294e18]
    assert drawn(torch.int64, -5, None) == [7692698082559361254, 4064269471072392254]
    assert drawn(torch.int32, -5, None) == [1404303255, 984889612]
    assert drawn(torch.uint8, 5, None) == [10, 143]
    assert drawn(torch.float32, far) == [3.081012450691121e18, 4.064269965283295e18]
    assert drawn(torch.float64, far) == [3.0810120641319736e18, 4.064269471072393e18]
    assert drawn(torch.float32, -far, far) == [3.081012175813214e18, -5.474162593025229e17]
    assert drawn(torch.bfloat16, -far, None) == [-1.5312238733059686e18, -5.4718735472551526e17]
    torch.manual_seed(0)
    assert torch.zeros(2, dtype=torch.uint16).random_(3, 9).dtype == torch.uint16
    for dtype, bounds, text in (
        (torch.int32, (least, None), "random_full_64_bits_range_kernel_cpu handles only int64, "),
        (torch.float16, (least, None), '"random_full_64_bits_range_kernel_cpu" not impl'),
        (torch.bool, (5, None), "from is out of bounds for bool"),
        (torch.float16, (far,), "to - 1 is out of bounds for c10::Half"),
        (torch.uint8, (-5, None), "from is out of bounds for unsigned char"),
    ):
        with pytest.raises(RuntimeError, match=text):
            drawn(dtype, *bounds)


def test_permutations_of_all_integers_that_a_dtype_holds():
    assert sorted(torch.randperm(256, dtype=torch.uint8).tolist()) == list(range(256))
    assert torch.randperm(0, dtype=torch.int8).shape == (0,)
    with pytest.raises(RuntimeError, match="without overflow"):
        torch.randperm(257, dtype=torch.uint8)
    with pytest.raises(NotImplementedError, match='"randperm" not implemented for \'Bool\''):
        torch.randperm(2, dtype=torch.bool)
