"""Input that is wrong, or right and absurd, gets an answer or an exception at once: each test here
is a call that once hung or read through a null pointer (the latter shows under `make sanitize`).
"""

import pytest

import flambeau as fl


def triangle(rows, columns, offset, lower):
    inside = (lambda r, c: c - r <= offset) if lower else (lambda r, c: c - r >= offset)
    pairs = [(r, c) for r in range(rows) for c in range(columns) if inside(r, c)]
    return [[r for r, _ in pairs], [c for _, c in pairs]]


@pytest.mark.parametrize("rows", [0, 1, 3, 5])
@pytest.mark.parametrize("columns", [0, 1, 3, 6])
def test_triangles_have_as_many_places_as_they_write(rows, columns):
    for offset in (-100, *range(-8, 9), 100):
        lower = fl.tril_indices(rows, columns, offset)
        upper = fl.triu_indices(rows, columns, offset)
        assert lower.tolist() == triangle(rows, columns, offset, True)
        assert upper.tolist() == triangle(rows, columns, offset, False)


def test_huge_triangles_are_counted_without_walking_their_rows():
    for make in (fl.tril_indices, fl.triu_indices):
        assert make(2**62, 0).shape == (2, 0)
        assert make(0, 2**62).shape == (2, 0)
        with pytest.raises(RuntimeError, match="too large"):
            make(2**60, 2**60)
    assert fl.triu_indices(2**60, 1).tolist() == [[0], [0]]
    assert fl.tril_indices(2**60, 1, 1 - 2**60).tolist() == [[2**60 - 1], [0]]


def test_mvlgamma_of_an_absurd_order_is_refused():
    for p in (2**32, 2**62, 0, -1):
        with pytest.raises((ValueError, RuntimeError), match="p has to be"):
            fl.mvlgamma(fl.ones(2), p)


def test_empty_lists_of_sizes_are_read_nowhere():
    assert fl.empty(()).shape == ()
    x = fl.zeros(0, requires_grad=True)
    x.as_strided((0,), (1,)).sum().backward()
    assert x.grad.shape == (0,)


def first_line(kind, call, *args):
    with pytest.raises(kind) as error:
        call(*args)
    return str(error.value).splitlines()[0]


NARROW = [
    (fl.int8, 300, "int8_t"),
    (fl.uint8, 300, "uint8_t"),
    (fl.uint8, -256, "uint8_t"),
    (fl.int16, -40000, "int16_t"),
    (fl.int32, 2**40, "int"),
    (fl.int64, float("nan"), "int64_t"),
    (fl.int64, 2.0**63, "int64_t"),
    (fl.float32, 1e300, "float"),
]

STORES = {
    "fill_": lambda x, v: x.fill_(v),
    "full": lambda x, v: fl.full((2,), v, dtype=x.dtype),
    "full_like": lambda x, v: fl.full_like(x, v),
    "masked_fill": lambda x, v: x.masked_fill(x > 0, v),
    "index_fill": lambda x, v: x.index_fill(0, fl.tensor([0]), v),
    "scatter": lambda x, v: x.scatter(0, fl.tensor([0]), v),
    "setitem": lambda x, v: x.__setitem__(0, v),
    "setitem mask": lambda x, v: x.__setitem__(x > 0, v),
}

COMPUTES = {
    "clamp min": lambda x, v: x.clamp(min=v),
    "clamp max": lambda x, v: x.clamp_max(v),
    "clamp": lambda x, v: x.clamp(v, v),
    "where": lambda x, v: fl.where(x > 0, x, v),
    "alpha": lambda x, v: fl.add(x, x, alpha=v),
    "index_add": lambda x, v: x.index_add(0, fl.tensor([0]), x[:1], alpha=v),
    "threshold": lambda x, v: fl.nn.functional.threshold(x, v, 0),
}


@pytest.mark.parametrize("dtype, value, name", NARROW)
@pytest.mark.parametrize("call", STORES)
def test_a_number_is_stored_only_where_it_fits(call, dtype, value, name):
    x = fl.ones(3, dtype=dtype)
    line = first_line(RuntimeError, STORES[call], x, value)
    assert line == f"value cannot be converted to type {name} without overflow"
    assert x.tolist() == [1, 1, 1]


@pytest.mark.parametrize("dtype, value, name", NARROW)
@pytest.mark.parametrize("call", COMPUTES)
def test_a_number_is_computed_with_only_where_it_fits(call, dtype, value, name):
    if isinstance(value, float) and dtype is fl.int64:
        return  # promotes, or is refused as a float
    line = first_line(RuntimeError, COMPUTES[call], fl.ones(3, dtype=dtype), value)
    assert line == f"value cannot be converted to type {name} without overflow"


def test_numbers_that_fit_after_all():
    assert fl.full((1,), -1, dtype=fl.uint8).tolist() == [255]
    assert fl.full((1,), 1e300, dtype=fl.float64).tolist() == [1e300]
    assert fl.full((1,), float("inf")).tolist() == [float("inf")]
    assert fl.full((1,), 7, dtype=fl.bool).tolist() == [True]
    assert fl.tensor(1e300).tolist() == float("inf")
    assert fl.tensor([3], dtype=fl.uint8).clamp_max(-1).tolist() == [3]


@pytest.mark.parametrize("divide", ["floor_divide", "remainder", "fmod"])
@pytest.mark.parametrize("dtype", [fl.uint8, fl.int8, fl.int16, fl.int32])
def test_a_divisor_that_wraps_to_zero_is_zero(divide, dtype):
    x = fl.ones(3, dtype=dtype)
    for divisor in (2**40, fl.tensor(2**40), -(2**63)):
        assert first_line(RuntimeError, getattr(fl, divide), x, divisor) == "ZeroDivisionError"


def test_numbers_among_operands_wrap():
    x, u = fl.tensor([-5, 5, 1], dtype=fl.int8), fl.tensor([3, 5, 1], dtype=fl.uint8)
    assert (x + 2**40).tolist() == [-5, 5, 1]
    assert (x < 300).tolist() == [True, True, True]  # 300 is 44
    assert (u < -1).tolist() == [True, True, True]  # -1 is 255
    assert (u % -1).tolist() == [3, 5, 1]
    assert (300 % u).tolist() == [2, 4, 0]
    assert (300 // x).tolist() == [-9, 8, 44]
    assert fl.maximum(u, fl.tensor(-1)).tolist() == [255, 255, 255]


@pytest.mark.parametrize("n", [2**63, 2**64, 2**100, -(2**63) - 1])
def test_ints_of_more_than_64_bits(n):
    x = fl.ones(2, 3)
    assert first_line(ValueError, x.sum, n) == "Overflow when unpacking long long"
    assert first_line(ValueError, x.unsqueeze, n) == "Overflow when unpacking long long"
    assert first_line(ValueError, fl.tensor, n) == "Overflow when unpacking long long"
    for call, argument in ((fl.zeros, "size"), (x.reshape, "shape"), (x.expand, "size")):
        assert first_line(TypeError, call, 1, n) == (
            f"{call.__name__}(): argument '{argument}' failed to unpack the object at pos 2 with"
            ' error "Overflow when unpacking long long'
        )
    # What a uint64 holds wraps beside PyTorch's integers, and is refused here rather than wrong.
    with pytest.raises(RuntimeError if n == 2**63 else OverflowError):
        x.long() + n


def test_bounds_of_random_numbers():
    x = fl.empty(2)
    assert first_line(RuntimeError, x.uniform_, float("nan"), 1) == "from is out of bounds for float"
    assert first_line(RuntimeError, x.uniform_, 0, 1e300) == "to is out of bounds for float"
    with pytest.raises(RuntimeError, match="exceed the limit"):
        x.uniform_(-3e38, 3e38)
    line = first_line(RuntimeError, fl.empty(2, dtype=fl.int8).random_, 0, 300)
    assert line == "to - 1 is out of bounds for signed char"


def test_interpolation_to_a_size_that_no_memory_holds():
    with pytest.raises(RuntimeError):
        fl.nn.functional.interpolate(fl.ones(1, 1, 3), size=2**50)


def test_lists_longer_than_a_tensor_has_dims():
    x = fl.ones(2, 3)
    for call in (
        lambda n: x.tile([1] * n),
        lambda n: x.tile(*[1] * n),
        lambda n: x.repeat([1] * n),
        lambda n: x.sum([0] * n),
        lambda n: x.permute([0] * n),
        lambda n: fl.zeros([1] * n),
    ):
        for n in (65, 70, 1000):
            with pytest.raises(RuntimeError):
                call(n)
    assert len(fl.ones(100).split([1] * 100)) == 100


def test_lists_of_more_tensors_than_memory_holds():
    for sections in (2**31, 2**60, 2**61, 2**63 - 1):
        with pytest.raises(RuntimeError):
            fl.ones(3).tensor_split(sections)
    with pytest.raises(RuntimeError):
        fl.ones(1).expand(2**40).unbind()


def test_right_sides_of_another_dtype():
    double = fl.eye(3, dtype=fl.float64)
    for dtype in (fl.float32, fl.float16, fl.bool, fl.int64, fl.int8):
        x = fl.linalg.solve_triangular(2 * double, fl.ones(3, 2, dtype=dtype), upper=True)
        assert x.dtype == fl.float64 and x.tolist() == [[0.5, 0.5]] * 3
    for call in (fl.triangular_solve, fl.cholesky_solve):
        line = first_line(RuntimeError, call, fl.ones(3, 2), double)
        assert line == ("Expected b and A to have the same dtype, but found b of type Float and A "
                        "of type Double instead.")


def test_batch_sizes_that_go_on_behind_the_rows():
    with pytest.raises(RuntimeError, match="batch_sizes must be positive"):
        fl._C._pad_packed_sequence(fl.ones(2, 1), fl.tensor([2, 1, 1]), True, 0.5, 4)


def test_fractional_windows_stay_inside():
    pool, x = fl.nn.functional.fractional_max_pool3d, fl.rand(1, 1, 3, 5, 4)
    with pytest.raises(RuntimeError, match="too large relative to input"):
        pool(x, 2**63 - 1, (2, 2, 3), _random_samples=fl.rand(1, 1, 3))
    for sample in (float("nan"), float("inf"), -1e30, 1e30):
        y = pool(x, 2, (1, 2, 2), _random_samples=fl.full((1, 1, 3), sample))
        assert fl.isin(y, x).all()


def test_a_huge_adaptive_pool_of_halves_is_refused():
    x = fl.ones(1, 2, 3, 4, 5, dtype=fl.bfloat16)
    with pytest.raises(RuntimeError):
        fl.nn.functional.adaptive_avg_pool3d(x, 2**62)


@pytest.mark.parametrize("name", ["stride", "padding", "dilation"])
def test_huge_windows_of_convolutions_are_refused(name):
    w = fl.ones(3, 2, 3)
    for call in (fl.nn.functional.conv_transpose1d, fl.nn.functional.conv1d):
        x = fl.ones(2, 3 if call is fl.nn.functional.conv_transpose1d else 2, 4)
        with pytest.raises(RuntimeError):
            call(x, w, **{name: 2**63 - 1})


def test_keywords_of_functions_of_several_tensors():
    """broadcast_tensors takes none; of meshgrid they were read beside the tensors."""
    x = fl.ones(2)
    with pytest.raises(TypeError, match="unexpected keyword argument 'tensors'"):
        fl.broadcast_tensors(tensors=[x, x])
    assert [t.shape for t in fl.meshgrid(x, fl.ones(3), indexing="xy")] == [(3, 2)] * 2
