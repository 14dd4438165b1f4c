"""uint16, uint32, uint64 and floats of 8 bits: stored, converted, and taken by the operators that
PyTorch gives them; the values are PyTorch 2.13's."""

import copy
import io
import math
import operator

import pytest

import flambeau as torch

UNSIGNED = [torch.uint16, torch.uint32, torch.uint64]
FLOATS = [
    torch.float8_e4m3fn,
    torch.float8_e5m2,
    torch.float8_e4m3fnuz,
    torch.float8_e5m2fnuz,
    torch.float8_e8m0fnu,
]
STORED = UNSIGNED + FLOATS
nan, inf = math.nan, math.inf

# What is stored (its byte) of these numbers.
NUMBERS = [0.0, -0.0, inf, -inf, nan, 448.0, 464.0, 464.1, 1e9, 57344.0, 61439.0, 61440.0, 240.0,
           247.9, 248.0, 1e-40, -3.0, 3.0, 1.5, 1.4999, 2.0**-9, 2.0**-10, 3 * 2.0**-11]  # fmt: skip
BYTES = {
    torch.float8_e4m3fn: [0, 128, 126, 254, 127, 126, 126, 126, 126, 126, 126, 126, 119, 119, 120, 0,
                          196, 68, 60, 60, 1, 0, 1],
    torch.float8_e5m2: [0, 128, 124, 252, 127, 95, 95, 95, 124, 123, 123, 124, 92, 92, 92, 0, 194, 66,
                        62, 62, 24, 20, 22],
    torch.float8_e4m3fnuz: [0, 0, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 127, 127, 128, 0,
                            204, 76, 68, 68, 2, 1, 2],
    torch.float8_e5m2fnuz: [0, 0, 128, 128, 128, 99, 99, 99, 128, 127, 127, 128, 96, 96, 96, 0, 198,
                            70, 66, 66, 28, 24, 26],
    torch.float8_e8m0fnu: [0, 0, 255, 255, 255, 136, 136, 136, 157, 143, 143, 143, 135, 135, 135, 0,
                           129, 129, 128, 127, 118, 117, 118],
}  # fmt: skip


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_floats_are_rounded(dtype):
    found = torch.tensor(NUMBERS).to(dtype)
    assert found.dtype is dtype and found.view(torch.uint8).tolist() == BYTES[dtype]
    strided = torch.tensor(NUMBERS).double().repeat_interleave(2)[::2].to(dtype)
    assert strided.view(torch.uint8).tolist() == BYTES[dtype]


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_floats_come_back(dtype):
    codes = torch.arange(256).to(torch.uint8)
    values = codes.view(dtype).float()
    back = values.to(dtype).view(torch.uint8)
    known = ~values.isnan()
    assert known.sum().item() == {"fn": 254, "m2": 250, "uz": 255, "nu": 255}[str(dtype)[-2:]]
    if dtype is not torch.float8_e5m2:
        assert torch.equal(back[known], codes[known])
    else:
        assert torch.equal(back[known & ~values.isinf()], codes[known & ~values.isinf()])
    for other in (torch.float64, torch.bfloat16, torch.float16, torch.complex64):
        if dtype is torch.float8_e8m0fnu and other is torch.float16:
            continue
        wide = codes.view(dtype).to(other)
        assert torch.equal(wide[known].real.float(), values[known])


@pytest.mark.parametrize(
    "dtype, bits, bias",
    [(torch.float8_e4m3fn, 3, 7), (torch.float8_e5m2, 2, 15), (torch.float8_e4m3fnuz, 3, 8),
     (torch.float8_e5m2fnuz, 2, 16)],
)  # fmt: skip
def test_codes_are_sign_exponent_and_significand(dtype, bits, bias):
    for code in range(1, 0x7B):
        exponent, low = code >> bits, code & (1 << bits) - 1
        value = (low / 2**bits + (exponent > 0)) * 2.0 ** (max(exponent, 1) - bias)
        byte = torch.tensor([code, code | 0x80], dtype=torch.uint8)
        assert byte.view(dtype).tolist() == [value, -value]
        halfway = (value + byte[:1].add(1).view(dtype).item()) / 2
        assert torch.tensor(halfway).to(dtype).view(torch.uint8).item() == code + (code & 1)


def test_integers_wrap():
    x = torch.tensor([2**40 + 7, -3, 300, 2**31, 2**16])
    assert x.to(torch.uint16).tolist() == [7, 65533, 300, 0, 0]
    assert x.to(torch.uint32).tolist() == [7, 2**32 - 3, 300, 2**31, 65536]
    assert x.to(torch.uint64).tolist() == [2**40 + 7, 2**64 - 3, 300, 2**31, 65536]
    assert torch.tensor([-3.7, 1e9, 7.7]).to(torch.uint16).tolist() == [65533, 51712, 7]
    assert torch.tensor([1e19, 1e25, -3.0], dtype=torch.float64).to(torch.uint64).tolist() == [
        10**19, 0, 2**64 - 3]  # fmt: skip
    wide = torch.tensor([2**64 - 1, 2**63 + 1025, 2**53 + 1], dtype=torch.uint64)
    assert wide.double().tolist() == [2.0**64, 2.0**63 + 2048, 2.0**53]
    assert wide.float().tolist() == [2.0**64, 2.0**63, 2.0**53]
    assert wide.long().tolist() == [-1, -(2**63) + 1025, 2**53 + 1]
    assert wide.to(torch.uint16).tolist() == [65535, 1025, 1]
    assert torch.tensor([True, False]).to(torch.uint32).tolist() == [1, 0]


def test_creation():
    for dtype in STORED:
        assert torch.ones(2, 3, dtype=dtype).float().sum().item() == 6
        assert torch.zeros_like(torch.ones(2), dtype=dtype).dtype is dtype
        assert torch.full((2,), 2, dtype=dtype).tolist() == [2, 2]
        assert torch.empty(4, 5, dtype=dtype).shape == (4, 5)
    assert torch.tensor([-1], dtype=torch.uint16).tolist() == [65535]
    assert torch.tensor([2**63 + 5], dtype=torch.uint64).item() == 2**63 + 5
    assert repr(torch.tensor([2**64 - 1, 3], dtype=torch.uint64)) == (
        "tensor([18446744073709551615,                    3], dtype=torch.uint64)"
    )
    assert repr(torch.tensor([1, 2, 3.5], dtype=torch.float8_e4m3fn)) == (
        "tensor([1.0000, 2.0000, 3.5000], dtype=torch.float8_e4m3fn)"
    )
    assert torch.full((1,), -1, dtype=torch.uint32).item() == 2**32 - 1
    for data, dtype, error, text in [
        ([70000], torch.uint16, RuntimeError, "value cannot be converted to type uint16 without"),
        ([-1], torch.uint64, OverflowError, "can't convert negative int to unsigned"),
        ([1.5], torch.uint64, TypeError, "an integer is required"),
    ]:
        with pytest.raises(error, match=text):
            torch.tensor(data, dtype=dtype)
    with pytest.raises(RuntimeError, match="to type c10::Float8_e4m3fnuz without overflow"):
        torch.full((2,), 300, dtype=torch.float8_e4m3fnuz)
    with pytest.raises(NotImplementedError, match="\"arange_cpu\" not implemented for 'UInt16'"):
        torch.arange(5, dtype=torch.uint16)


def test_what_unsigned_integers_do():
    x = torch.tensor([1, 2, 65535], dtype=torch.uint16)
    y = torch.tensor([3, 4, 65535], dtype=torch.uint16)
    assert (x * y).tolist() == [3, 8, 1] and (x * y).dtype is torch.uint16
    assert (x * 2).tolist() == [2, 4, 65534] and (x * 2.5).tolist() == [2.5, 5.0, 163837.5]
    assert (x & y).tolist() == [1, 0, 65535] and (x ^ y).tolist() == [2, 6, 0]
    assert (x == y).tolist() == [False, False, True] and (x != 2).tolist() == [True, False, True]
    assert x.sum().item() == 65538 and x.sum().dtype is torch.int64
    assert x.cumsum(0).tolist() == [1, 3, 65538] and x.prod().item() == 131070
    assert x.sqrt().dtype is torch.float32 and (x / 2).tolist() == [0.5, 1.0, 32767.5]
    assert x.any().item() and x.bool().all().item() and x.count_nonzero().item() == 3
    assert torch.where(x == 1, x, y).tolist() == [1, 4, 65535]
    assert torch.cat([x, y]).unique().tolist() == [1, 2, 3, 4, 65535]
    assert torch.cat([x, torch.ones(1)]).dtype is torch.float32
    assert x[torch.tensor([2, 0])].tolist() == [65535, 1] and x[x != 2].tolist() == [1, 65535]
    big = torch.tensor([2**64 - 1, 1, 2**63], dtype=torch.uint64)
    assert big.sort().values.tolist() == [1, 2**63, 2**64 - 1]
    assert big.sort(descending=True).indices.tolist() == [0, 2, 1]
    assert torch.cat([big, big]).unique().tolist() == [1, 2**63, 2**64 - 1]
    assert big.repeat(2).unique_consecutive().numel() == 6
    assert (big == big.clone()).all().item() and big.tolist()[0] == 2**64 - 1
    for refused, name in [
        (lambda: x + 1, "add_stub"),
        (lambda: x < 2, "lt_cpu"),
        (lambda: -x, "neg_cpu"),
        (lambda: x.max(), "max_all"),
        (lambda: x.sum(dtype=torch.uint16), "sum_cpu"),
        (lambda: x.cumsum(0, dtype=torch.uint16), "cumsum_out_cpu"),
        (lambda: torch.eye(2, dtype=torch.uint16), "eye"),
        (lambda: x.masked_fill(x == 1, 0), "masked_fill"),
        (lambda: x.view(3, 1) @ y.view(1, 3), "addmm_impl_cpu_"),
    ]:
        with pytest.raises(NotImplementedError, match=f"\"{name}\" not implemented for 'UInt16'"):
            refused()
    with pytest.raises(IndexError, match="tensors used as indices must be long, int, byte or bool"):
        torch.ones(3)[x]


def test_what_floats_of_8_bits_do():
    x = torch.tensor([1.0, -2.0, 448.0], dtype=torch.float8_e4m3fn)
    assert (x == x.clone()).all().item() and torch.equal(x, x.clone())
    assert x.abs().tolist() == [1.0, 2.0, 448.0] and (x * x).tolist() == [1.0, 4.0, 448.0]
    assert x.isnan().tolist() == [False] * 3 and x.flatten().view(torch.int8)[0].item() == 0x38
    assert x[torch.tensor([1])].item() == -2.0 and x.index_select(0, torch.tensor([2])).item() == 448
    assert torch.cat([x, x]).shape == (6,) and x.repeat(2)[4].item() == -2.0
    x[0] = 3
    assert x.tolist() == [3.0, -2.0, 448.0]
    assert x.copy_(torch.tensor([1.06, 1.07, 1.13])).tolist() == [1.0, 1.125, 1.125]
    assert torch.add(torch.ones(2), 1, out=torch.ones(2, dtype=torch.float8_e5m2)).tolist() == [2, 2]
    for refused, name in [(lambda: x + 1, "add_stub"), (lambda: x.sum(), "sum_cpu"),
                          (lambda: x > 1, "gt_cpu"), (lambda: -x, "neg_cpu"),
                          (lambda: x.unique(), "unique"), (lambda: x.mean(), "sum_cpu")]:  # fmt: skip
        with pytest.raises(NotImplementedError, match=f"\"{name}\" not implemented for 'Float8_e4m3fn'"):
            refused()
    leaf = torch.ones(2, dtype=torch.float8_e5m2, requires_grad=True)
    leaf.float().sum().backward()
    assert leaf.grad.dtype is torch.float8_e5m2 and leaf.grad.tolist() == [1, 1]


def test_promotion():
    assert torch.promote_types(torch.uint16, torch.float16) is torch.float16
    assert torch.promote_types(torch.float64, torch.uint64) is torch.float64
    assert torch.promote_types(torch.uint32, torch.uint32) is torch.uint32
    for a, b in [(torch.uint16, torch.int32), (torch.bool, torch.uint64),
                 (torch.uint32, torch.complex64)]:  # fmt: skip
        with pytest.raises(RuntimeError, match="Promotion for uint16, uint32, uint64 types is not"):
            torch.promote_types(a, b)
    for other in (torch.float32, torch.bool, torch.uint16, torch.float8_e4m3fn):
        with pytest.raises(RuntimeError, match="Promotion for Float8 Types is not supported, "
                           "attempted to promote Float8_e5m2 and"):  # fmt: skip
            torch.promote_types(torch.float8_e5m2, other)
    x = torch.ones(2, dtype=torch.uint16)
    assert torch.result_type(x, 1) is torch.uint16 and torch.result_type(x, 1.5) is torch.float32
    assert torch.result_type(x, torch.tensor(1)) is torch.uint16
    assert torch.result_type(x, 1j) is torch.complex64
    with pytest.raises(RuntimeError, match="attempted to promote UInt16 and Int"):
        x == torch.ones(2, dtype=torch.int32)
    with pytest.raises(RuntimeError, match="attempted to promote Float8_e4m3fn and Float"):
        torch.cat([torch.ones(1, dtype=torch.float8_e4m3fn), torch.ones(1)])
    with pytest.raises(RuntimeError, match="Unknown Complex ScalarType for Float8_e5m2"):
        torch.result_type(torch.ones(2, dtype=torch.float8_e5m2), 1j)
    assert torch.can_cast(torch.uint16, torch.uint8) and not torch.can_cast(torch.float8_e5m2, torch.int8)
    assert torch.can_cast(torch.float64, torch.float8_e5m2)
    assert not torch.can_cast(torch.uint64, torch.bool)


def test_limits():
    assert torch.iinfo(torch.uint64).max == 2**64 - 1 and torch.iinfo(torch.uint16).bits == 16
    assert [torch.finfo(d).max for d in FLOATS] == [448.0, 57344.0, 240.0, 57344.0, 2.0**127]
    assert torch.finfo(torch.float8_e8m0fnu).min == 2.0**-127
    assert [d.is_signed for d in STORED] == [False, False, False, True, True, True, True, False]
    assert [d.itemsize for d in STORED] == [2, 4, 8, 1, 1, 1, 1, 1]
    with pytest.raises(TypeError, match="couldn't find storage object Float8_e5m2Storage"):
        torch.set_default_dtype(torch.float8_e5m2)
    with pytest.raises(TypeError, match="only floating-point types are supported"):
        torch.set_default_dtype(torch.uint16)


@pytest.mark.parametrize("dtype", STORED, ids=str)
def test_files(dtype, tmp_path):
    x = torch.tensor([1, 2, 4, 8], dtype=dtype)
    for weights_only in (True, False):
        file = io.BytesIO()
        torch.save({"x": x, "end": x[2:]}, file)
        file.seek(0)
        back = torch.load(file, weights_only=weights_only)
        assert back["x"].dtype is dtype and back["x"].tolist() == [1, 2, 4, 8]
        back["x"].fill_(2)
        assert back["end"].tolist() == [2, 2]
    torch.save({"x": x}, str(tmp_path / "x.safetensors"))
    back = torch.load(str(tmp_path / "x.safetensors"))["x"]
    assert back.dtype is dtype and torch.equal(back, x)
    assert copy.deepcopy(x).dtype is dtype


@pytest.mark.parametrize("dtype", STORED, ids=str)
def test_dlpack(dtype):
    x = torch.tensor([1, 2, 4, 8], dtype=dtype)
    y = torch.from_dlpack(x)
    assert y.dtype is dtype and y.tolist() == [1, 2, 4, 8] and y.data_ptr() == x.data_ptr()


def test_numpy():
    numpy = pytest.importorskip("numpy")
    for dtype in UNSIGNED:
        array = numpy.array([1, 2**16 - 1, 7], dtype=str(dtype)[6:])
        x = torch.from_numpy(array)
        assert x.dtype is dtype and x.tolist() == [1, 65535, 7]
        assert x.numpy().dtype == array.dtype and (x.numpy() == array).all()
        assert torch.from_dlpack(array).dtype is dtype
        assert torch.utils.data.default_collate([array, array]).dtype is dtype
    with pytest.raises(TypeError, match="Got unsupported ScalarType Float8_e5m2"):
        torch.ones(2, dtype=torch.float8_e5m2).numpy()


def test_complex_numbers_still_promote():
    z = torch.tensor(1 + 2j, dtype=torch.complex128)
    assert torch.result_type(z, 1j) is torch.complex128 and (z**2j).dtype is torch.complex128
    assert torch.result_type(torch.ones(2, dtype=torch.complex128), z.to(torch.complex64)) is (
        torch.complex128)  # fmt: skip
    assert torch.rand_like(z).dtype is torch.complex128 and abs(torch.rand_like(z).item()) < 1.5
    assert torch.rand(2, dtype=torch.complex64).abs().max().item() < 1.5


@pytest.mark.parametrize("value", [2**63, 2**64 - 1, 2**63 - 1, 7])
def test_python_numbers_of_uint64_are_unsigned(value):
    a = torch.tensor(value, dtype=torch.uint64)
    assert (int(a), a.item(), operator.index(a)) == (value, value, value)
    assert (float(a), complex(a), bool(a)) == (float(value), complex(value), True)
    assert math.floor(a) == math.floor(float(value)) and f"{a:d}" == str(value)
    assert torch.tensor([a, a], dtype=torch.uint64).tolist() == [value, value]
    assert torch.tensor([a, 1.5]).tolist() == [float(value), 1.5]
    if value < 2**63:
        assert torch.full((1,), a).item() == value
        return
    for use in (lambda: torch.full((1,), a), lambda: torch.zeros(a),
                lambda: torch.ones(2).sum(a), lambda: torch.ones(2).view(a)):
        with pytest.raises(RuntimeError, match="int64_t without overflow"):
            use()


def test_random_integers_are_those_of_signed_dtypes():
    for dtype in torch.uint16, torch.uint32, torch.uint64:
        torch.manual_seed(0)
        assert torch.randint(0, 1000, (4,), dtype=dtype).tolist() == [44, 239, 933, 760]
    for dtype, name in (torch.uint16, "short unsigned int"), (torch.uint32, "unsigned int"):
        with pytest.raises(RuntimeError, match=f"to - 1 is out of bounds for {name}"):
            torch.randint(0, 2**40, (2,), dtype=dtype)
    with pytest.raises(RuntimeError, match="from is out of bounds for long unsigned int"):
        torch.randint(-1, 5, (2,), dtype=torch.uint64)
