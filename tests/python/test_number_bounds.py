"""Numbers that a dtype does not hold, and numbers computed in a dtype: what PyTorch 2.13 gives."""

import math

import pytest

import flambeau as torch


@pytest.mark.parametrize(
    "value, dtype",
    [(-0.5, "uint8"), (255.9, "uint8"), (1e10, "int32"), (2147483647.5, "int32"),
     (9.3e18, "int64"), (-129.0, "int8")],
)
def test_a_float_beyond_the_dtype_is_refused(value, dtype):
    with pytest.raises(RuntimeError, match=f"cannot be converted to type {dtype} without overflow"):
        torch.tensor([value], dtype=getattr(torch, dtype))


def test_a_float_within_is_cut():
    assert torch.tensor([254.9, 0.5], dtype=torch.uint8).tolist() == [254, 0]
    assert torch.tensor([-2147483648.0], dtype=torch.int32).tolist() == [-(2**31)]


def test_masks_convert_one_element():
    x = torch.arange(3)
    assert x.masked_fill(x > 1, 2.7).tolist() == [0, 1, 2]
    assert x.masked_fill(x > 1, -100.0).tolist() == [0, 1, -100]
    x[x > 1] = torch.tensor([7.5])
    assert x.tolist() == [0, 1, 7]
    with pytest.raises(RuntimeError, match="int64_t without overflow"):
        x.masked_fill(x > 1, math.inf)


def test_linspace_rounds_in_its_dtype():
    half = torch.linspace(0, 1, 7, dtype=torch.float16).tolist()
    assert half == [0.0, 0.1666259765625, 0.333251953125, 0.5, 0.6669921875, 0.83349609375, 1.0]
    brain = torch.linspace(0, 1, 7, dtype=torch.bfloat16).tolist()
    assert brain == [0.0, 0.1669921875, 0.333984375, 0.5, 0.6640625, 0.83203125, 1.0]


def test_random_of_floats_keeps_below_what_rounds_to_the_bound():
    torch.manual_seed(0)
    x = torch.empty(3).random_(0, 2**30)
    assert x.tolist() == [382722848.0, 784923008.0, 710291712.0]


def test_what_is_taken_no_times_counts_for_nothing():
    nan, one = torch.tensor([[math.nan]]), torch.ones(1, 1)
    assert torch.addmm(one, nan, one, alpha=0).tolist() == [[1.0]]


def test_isin_beside_nan():
    test = torch.tensor([math.nan, 0.0])
    assert torch.isin(torch.tensor([0.0, 1.0, math.nan]), test).tolist() == [True, False, False]


def test_a_float_on_the_left_keeps_its_value():
    assert (0.3 // torch.tensor([0.1], dtype=torch.float64)).tolist() == [2.0]
    assert (0.5 // torch.tensor([2])).dtype == torch.float32


def test_spaced_integers_lie_between_integers():
    T, S = torch.linspace, torch.logspace
    assert T(-3, 1.2, 5, dtype=torch.int64).tolist() == [-3, -2, -1, 0, 1]
    assert T(4.9, 1, 7, dtype=torch.int32).tolist() == [4, 3, 3, 2, 2, 1, 1]
    assert T(-3, 1, 7, dtype=torch.int8).tolist() == [-3, -2, -1, 0, 0, 0, 1]
    assert S(0, 2.5, 5, base=8, dtype=torch.int64).tolist() == [1, 2, 8, 22, 64]
    assert S(1.2, 0, 1, dtype=torch.int64).tolist() == [15]


def test_spaced_floats_are_rounded_as_pytorch_rounds_them():
    wide = torch.linspace(-3, 0, 50, dtype=torch.float64)
    assert wide[[10, 13]].tolist() == [-2.3877551020408165, -2.2040816326530615]
    half = torch.logspace(1.2, 3, 3, dtype=torch.float16).tolist()
    assert half == [15.859375, 125.9375, 1000.0]


def test_an_int_beyond_int64_is_a_float_beside_floats():
    x, big = torch.tensor([1.0, -2.0]), 2**63
    for y in (x + big, big + x, torch.full((2,), big, dtype=torch.float32),
              torch.zeros(2).fill_(big), x.clamp(min=big), torch.where(x != x, x, big)):
        assert y.dtype == torch.float32 and y.tolist() == [9223372036854775808.0] * 2
    assert (x == big).tolist() == [False, False] and (x < big).tolist() == [True, True]
    assert torch.remainder(big, torch.tensor([5.0])).tolist() == [3.0]
    assert (torch.tensor([2.0], dtype=torch.complex64) * big).tolist() == [2.0**64]
    with pytest.raises(OverflowError):
        x + 2**64


def test_a_uint64_takes_all_its_ints():
    wide = torch.tensor([2**63 + 1, 5], dtype=torch.uint64)
    assert (wide == 2**63 + 1).tolist() == [True, False]
    assert (wide != 2**63 + 1).tolist() == [False, True]
    assert (wide * 1 == wide).all()
    assert torch.full((2,), 2**64 - 1, dtype=torch.uint64).tolist() == [2**64 - 1] * 2
    assert torch.full_like(wide, 2**63).tolist() == wide.new_full((2,), 2**63).tolist()
    assert torch.zeros(1, dtype=torch.uint64).fill_(2**63 + 5).item() == 2**63 + 5


def test_an_int_beyond_int64_is_refused_beside_integers():
    x = torch.tensor([1, 2])
    for call in (lambda: x + 2**63, lambda: x.fill_(2**63), lambda: torch.full((2,), 2**63),
                 lambda: x.masked_fill(x > 1, 2**63)):
        with pytest.raises(RuntimeError, match="int64_t without overflow"):
            call()
    assert x.tolist() == [1, 2]
