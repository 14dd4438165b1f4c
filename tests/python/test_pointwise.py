"""Pointwise operators and reductions: derivatives, forms, edges, and the same bits everywhere."""

import math
import os
import struct
import subprocess
import sys

import pytest

import flambeau as torch
from flambeau.autograd import gradcheck, gradgradcheck

INF, NAN = float("inf"), float("nan")
F = torch.nn.functional


def inputs(count, low, high, seed=0):
    """float64 tensors of a few shapes that broadcast together, with elements from low to high."""
    torch.manual_seed(seed)
    shapes = [(2, 3), (3,), (2, 1)]
    return [(torch.rand(shapes[i], dtype=torch.float64) * (high - low) + low).requires_grad_()
            for i in range(count)]


# ---- Derivatives: name, how many tensors, their range --------------------------------------------

SMOOTH = [(n, 1, -0.9, 0.9) for n in
          """exp exp2 expm1 sin cos tan asin acos atan sinh cosh tanh asinh atanh erf erfc erfinv
          sigmoid square neg deg2rad rad2deg sinc abs frac""".split()]
SMOOTH += [(n, 1, 0.3, 2.5) for n in
           "log log2 log10 log1p sqrt rsqrt reciprocal lgamma digamma".split()]
SMOOTH += [("acosh", 1, 1.2, 3), ("logit", 1, 0.2, 0.8)]
SMOOTH += [(n, 2, 0.3, 2) for n in
           """add sub mul div rsub pow atan2 hypot logaddexp logaddexp2 xlogy maximum minimum fmax
           fmin copysign float_power""".split()]
SMOOTH += [("addcmul", 3, 0.3, 2), ("addcdiv", 3, 0.3, 2), ("lerp", 3, 0.6, 2)]
CALLS = {
    "pow 2": lambda x: x ** 2, "pow 3": lambda x: x ** 3, "pow -1.5": lambda x: x ** -1.5,
    "2 pow": lambda x: 2 ** x, "1 /": lambda x: 1 / x, "1 -": lambda x: 1 - x,
    "add alpha": lambda x: torch.add(x, x * 2, alpha=3), "clamp": lambda x: x.clamp(0.5, 1.5),
    "where": lambda x: torch.where(x > 1, x * x, -x), "remainder": lambda x: x % 0.7,
    "relu": F.relu, "gelu": F.gelu, "gelu tanh": lambda x: F.gelu(x - 1, approximate="tanh"),
    "silu": F.silu, "mish": F.mish, "softplus": F.softplus, "logsigmoid": F.logsigmoid,
    "elu": lambda x: F.elu(x - 1), "selu": lambda x: F.selu(x - 1),
    "leaky": lambda x: F.leaky_relu(x - 1), "hardswish": lambda x: F.hardswish(x - 1),
    "softsign": F.softsign, "glu": lambda x: F.glu(x[:, :2]),
    "sum": lambda x: x.sum(), "sum dim": lambda x: x.sum(1), "mean": lambda x: x.mean(0, True),
    "prod": lambda x: x.prod(), "prod dim": lambda x: x.prod(1), "amax": lambda x: x.amax(1),
    "max": lambda x: x.max(), "logsumexp": lambda x: x.logsumexp(1), "var": lambda x: x.var(1),
    "std": lambda x: x.std(0), "norm": lambda x: x.norm(), "norm 3": lambda x: x.norm(3, dim=1),
    "norm 1": lambda x: x.norm(1, dim=1), "nan_to_num": lambda x: x.nan_to_num(),
}


@pytest.mark.parametrize("name, count, low, high", SMOOTH, ids=[s[0] for s in SMOOTH])
def test_derivatives(name, count, low, high):
    f, x = getattr(torch, name), inputs(count, low, high)
    assert gradcheck(f, x)
    assert gradgradcheck(f, x)


@pytest.mark.parametrize("name", CALLS)
def test_derivatives_of_calls(name):
    x = inputs(1, 0.3, 2.2)
    assert gradcheck(CALLS[name], x)
    assert gradgradcheck(CALLS[name], x)


@pytest.mark.parametrize("f", [torch.prod, lambda x: x.prod(1)])
def test_product_of_zeros(f):
    for zeros in ([], [1], [1, 2], [0, 1, 2]):
        x = inputs(1, 0.5, 2)[0].detach()
        for z in zeros:
            x[0, z] = 0
        assert gradcheck(f, [x.requires_grad_()])
        assert gradgradcheck(f, [x])


def slope(f, *at):
    x = [torch.tensor(float(a), requires_grad=True) for a in at]
    f(*x).backward()
    return [t.grad.item() for t in x]


def test_slopes_at_kinks():
    assert slope(F.relu, 0) == [0]
    assert slope(torch.abs, 0) == [0]
    assert slope(lambda x: x.clamp(0, 1), 0) == [1] and slope(lambda x: x.clamp(0, 1), 1) == [1]
    assert slope(lambda x: x.clamp(0, 1), 2) == [0]
    assert slope(torch.maximum, 1, 1) == [0.5, 0.5]
    assert slope(lambda x: x ** 0, 0) == [0] and slope(lambda x: x ** 2, 0) == [0]
    assert slope(torch.pow, 0, 2) == [0, 0]
    assert slope(lambda x: x.norm(), 0) == [0]
    assert slope(F.hardtanh, 1) == [0] and slope(F.leaky_relu, 0) == [pytest.approx(0.01)]
    x = torch.tensor([2.0, 1, 2, 2], requires_grad=True)
    x.max().backward()
    assert x.grad.tolist() == pytest.approx([1 / 3, 0, 1 / 3, 1 / 3])


# ---- Forms ---------------------------------------------------------------------------------------

UNARY = """abs neg exp exp2 expm1 log log2 log10 log1p sqrt rsqrt sin cos tan asin acos atan sinh
cosh tanh asinh atanh erf erfc erfinv lgamma digamma sigmoid floor ceil trunc round frac sign sgn
square reciprocal deg2rad rad2deg""".split()


@pytest.mark.parametrize("name", UNARY)
def test_every_form_gives_the_same(name):
    x = torch.linspace(0.1, 0.9, 7)
    y = getattr(torch, name)(x)
    out = torch.empty(0)
    assert torch.equal(y, getattr(x, name)())
    assert getattr(torch, name)(x, out=out) is out and torch.equal(y, out)
    z = x.clone()
    assert getattr(z, name + "_")() is z and torch.equal(y, z)
    assert torch.equal(getattr(torch, name)(x.expand(3, 7).t()), y.expand(3, 7).t())
    assert getattr(torch, name)(torch.empty(0)).shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats(dtype):
    x = torch.linspace(0.1, 2, 40).to(dtype)
    for name in UNARY[:10]:
        y = getattr(torch, name)(x)
        want = getattr(torch, name)(x.to(torch.float32)).to(dtype)
        assert y.dtype == dtype
        assert (y - want).abs().max().item() <= 2 * abs(want).max().item() * 2 ** -7


def test_integers():
    a, b = torch.tensor([7, -7, 7, -7]), torch.tensor([2, 2, -2, -2])
    assert (a // b).tolist() == [3, -4, -4, 3] and (a % b).tolist() == [1, 1, -1, -1]
    assert torch.div(a, b, rounding_mode="trunc").tolist() == [3, -3, -3, 3]
    assert torch.fmod(a, b).tolist() == [1, -1, 1, -1]
    assert (a / b).dtype == torch.float32
    assert (a ** 2).tolist() == [49] * 4 and (torch.tensor(3) ** 39).item() == 3 ** 39
    small = torch.tensor([200, 100], dtype=torch.uint8)
    assert (small + small).tolist() == [144, 200] and (small + 0.5).dtype == torch.float32
    least = torch.tensor([-2 ** 63])
    assert (least // -1).tolist() == [-2 ** 63] and (least % -1).tolist() == [0]
    assert (torch.tensor([1, -8]) << 3).tolist() == [8, -64]
    assert (torch.tensor([-8, 5]) >> 70).tolist() == [-1, 0]
    assert torch.sum(torch.tensor([True, True, False])).item() == 2
    assert torch.prod(torch.tensor([2, 3], dtype=torch.int8)).dtype == torch.int64


BY_ZERO = [lambda a: a // 0, lambda a: a % 0, lambda a: a % torch.zeros_like(a),
           lambda a: torch.fmod(a, 0), lambda a: 3 % (a * 0),
           lambda a: torch.div(a, 0, rounding_mode="floor")]


@pytest.mark.parametrize("f", BY_ZERO)
def test_integers_by_zero(f):
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        f(torch.tensor([1, 2, 3]))


def test_refusals():
    i, f = torch.tensor([1, 2]), torch.tensor([1.0, 2])
    b = torch.tensor([True, False])
    for call, message in [
            (lambda: i ** -1, "Integers to negative integer powers are not allowed"),
            (lambda: b - b, "two bool tensors is not supported"),
            (lambda: torch.add(i, i, alpha=0.5), "alpha must not be a floating point number"),
            (lambda: f.clamp(), "At least one of 'min' or 'max' must not be None"),
            (lambda: torch.div(f, f, rounding_mode="up"), "rounding_mode to be one of None"),
            (lambda: torch.where(f, f, f), "expected condition to be a boolean tensor"),
            (lambda: i.add_(0.5), "can't be cast to the desired output type Long"),
            (lambda: f + torch.ones(3), "must match the size of tensor b"),
            (lambda: torch.zeros(0).max(), "Expected reduction dim"),
            (lambda: f.sum(2), "Dimension out of range"),
            (lambda: f.sum((0, 0)), "appears multiple times"),
            (lambda: i.mean(), "could not infer output dtype")]:
        with pytest.raises((RuntimeError, IndexError), match=message):
            call()


def test_special_values():
    x = torch.tensor([NAN, INF, -INF, -0.0])
    assert x.isnan().tolist() == [True, False, False, False]
    assert x.isinf().tolist() == [False, True, True, False]
    assert x.signbit().tolist()[1:] == [False, True, True]
    assert x.nan_to_num(0, 1, -1).tolist() == [0, 1, -1, 0]
    assert math.isnan(x.max()) and math.isnan(x.clamp(0, 1)[0]) and math.isnan(F.relu(x)[0])
    assert torch.fmax(x, torch.zeros(4)).tolist() == [0, INF, 0, 0]
    assert torch.logsumexp(torch.tensor([-INF, -INF]), 0).item() == -INF
    large = torch.logsumexp(torch.tensor([1000.0, 1000.0]), 0).item()
    assert large == pytest.approx(1000 + math.log(2))
    assert torch.tensor([]).sum().item() == 0 and torch.tensor([]).prod().item() == 1
    assert math.isnan(torch.tensor([]).mean()) and torch.zeros(0, 3).amax(1).shape == (0,)


def test_sums_are_accurate():
    x = torch.full((1 << 22,), 0.1)
    assert x.sum().item() == pytest.approx(0.1 * (1 << 22), rel=1e-6)
    columns = x.view(2, -1).t().contiguous().sum(0)
    assert columns[0].item() == pytest.approx(0.1 * (1 << 21), rel=2e-5)


# ---- The same bits everywhere --------------------------------------------------------------------

PROGRAM = """
import hashlib, sys
import flambeau as torch
torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(0)
x = torch.rand(300, 401) * 4 - 1
y = torch.rand(300, 401) + 0.1
h = hashlib.sha256()
def add(t):
    h.update(repr(t.tolist()).encode())
for name in "exp log sin cos tanh erf sigmoid lgamma sqrt rsqrt tan asinh".split():
    add(getattr(torch, name)(y).sum(1)), add(getattr(torch, name)(y)[7])
for t in (x, y.t(), x.double()):
    for f in (torch.sum, torch.mean, torch.amax, torch.logsumexp, torch.var, torch.nansum):
        for d in (0, 1):
            add(f(t, d))
    add(t.sum()), add(t.norm()), add(t.std()), add(t.prod())
big = torch.rand(1 << 20)
add(big.sum()), add(torch.pow(big, 1.7).mean()), add((big * 3 + 1).log().sum())
a = (x * 1).requires_grad_()
torch.nn.functional.gelu(a * y).sum().backward()
add(a.grad[3])
print(h.hexdigest())
"""


def run(threads, isa):
    environment = {**os.environ, "FLAMBEAU_ISA": isa}
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(threads)], capture_output=True,
                          text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_same_bits_for_threads_and_instruction_sets():
    want = run(1, "")
    for threads, isa in [(2, ""), (5, ""), (2, "avx2"), (3, "generic"), (1, "avx512")]:
        assert run(threads, isa) == want, (threads, isa)


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_huge_angle_leaves_its_neighbours_alone(name, dtype):
    """Blocks of near angles go through functions that leave the far ones out: the same bits."""
    function = getattr(torch, name)
    near = torch.linspace(-1e5, 1e5, 5000, dtype=dtype)
    mixed = near.clone()
    mixed[::100] = 1e30
    mixed[7] = float("nan")
    alone = torch.stack([function(x) for x in mixed[:300]])
    assert torch.equal(function(mixed)[:300].nan_to_num(9), alone.nan_to_num(9))
    rest = [i for i in range(5000) if i % 100 and i != 7]
    assert torch.equal(function(mixed)[rest], function(near)[rest])


@pytest.mark.parametrize("name", ["fmod", "remainder", "floor_divide"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
def test_a_huge_quotient_leaves_its_neighbours_alone(name, dtype):
    function = getattr(torch, name)
    a = (torch.arange(5000) * 37 % 1001 - 500).to(dtype)
    b = (torch.arange(5000) % 13 - 6.5).to(dtype)
    b[b == 0] = 7
    mixed = a.clone()
    mixed[::100] = 2**62 + 2**40
    want = [math.fmod, lambda x, y: x % y, lambda x, y: x // y][["fmod", "remainder", "floor_divide"].index(name)]
    for operand in (a, mixed):
        if dtype == torch.int64 and name == "fmod":
            exact = [x - int(x / y) * y if abs(x) < 2**50 else None for x, y in zip(operand.tolist(), b.tolist())]
        else:
            exact = [want(x, y) for x, y in zip(operand.tolist(), b.tolist())]
        got = function(operand, b).tolist()
        assert [(x, g, w) for x, g, w in zip(operand.tolist(), got, exact)
                if w is not None and g != w and abs(x) < 2**50] == []


def test_bools_are_bytes_of_any_value():
    """A bool made elsewhere may be 2 or 255, which is true like 1; results are 0 and 1."""
    left, right = bytearray(range(256)) * 5, bytearray([0, 255, 2, 0, 1]) * 256
    a, b = torch.frombuffer(left, dtype=torch.bool), torch.frombuffer(right, dtype=torch.bool)
    x, y = [v != 0 for v in left], [v != 0 for v in right]
    cases = {
        "and": (a & b, [p and q for p, q in zip(x, y)]), "or": (a | b, [p or q for p, q in zip(x, y)]),
        "xor": (a ^ b, [p != q for p, q in zip(x, y)]), "not": (~a, [not p for p in x]),
        "and True": (a & True, x), "eq": (a == b, [p == q for p, q in zip(x, y)]),
        "lt": (a < b, [p < q for p, q in zip(x, y)]), "add": (a + b, [p or q for p, q in zip(x, y)]),
        "mul": (a * b, [p and q for p, q in zip(x, y)]), "logical_not": (a.logical_not(), [not p for p in x]),
        "where": (torch.where(a, b, a), [q if p else p for p, q in zip(x, y)]),
        "maximum": (torch.maximum(a, b), [p or q for p, q in zip(x, y)]),
        "strided": (a[::2] & b[1::2], [p and q for p, q in zip(x[::2], y[1::2])]),
        "broadcast": (a[:3, None] ^ b[:4], [[p != q for q in y[:4]] for p in x[:3]]),
    }
    for name, (got, want) in cases.items():
        assert got.dtype == torch.bool and got.view(torch.uint8).max() == 1, name
        assert got.tolist() == want, name
    assert torch.count_nonzero(a).item() == sum(x) == torch.count_nonzero(a[None], [1]).item()
    assert (a & 1).dtype == torch.int64 and (a == 2).tolist() == [False] * len(x)


def test_halves_are_rounded_to_even():
    for n in (1, 7, 8, 19, 300):
        x = [(i * 2654435761 % 2**32 / 2**32 - 0.5) * 2.0 ** (i % 44 - 26) for i in range(n)]
        x[::5] = [v + 2.0**-11 for v in [1.0] * len(x[::5])]
        half = torch.tensor(x).half()
        assert half.view(torch.int16).tolist() == [
            struct.unpack("h", struct.pack("e", v))[0] for v in torch.tensor(x).tolist()]
        assert half.float().tolist() == [struct.unpack("e", struct.pack("e", v))[0] for v in torch.tensor(x).tolist()]
    nan = torch.tensor([NAN] * 9).half()
    assert nan.isnan().all() and nan.float().isnan().all()


def test_one_window_is_a_mean():
    x = torch.randn(2, 3, 5, 7, requires_grad=True)
    for y in (F.adaptive_avg_pool2d(x, 1), torch.nn.AdaptiveAvgPool2d((1, 1))(x)):
        assert y.shape == (2, 3, 1, 1) and y.grad_fn.name() == "MeanBackward1"
        assert torch.equal(y, x.mean((2, 3), keepdim=True))
    assert torch.equal(F.adaptive_avg_pool1d(x[0], 1), x[0].mean(2, keepdim=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
def test_reductions_at_every_length(dtype):
    """Below one round of lanes, at the edges of one, two and more, and where a line is halved."""
    for n in [*range(1, 200), 4095, 4096, 4097, 9001]:
        x = (torch.arange(3 * n).reshape(3, n) * 7919 % 101 - 50).to(dtype)
        rows = x.tolist()
        assert x.sum(1).tolist() == [sum(r) for r in rows], n
        assert x.amax(1).tolist() == [max(r) for r in rows] and x.amin(1).tolist() == [min(r) for r in rows], n
        assert (1 + 0 * x).prod(1).tolist() == [1] * 3 and (x == x).all(1).tolist() == [True] * 3, n
    if dtype.is_floating_point:
        x[1, 8000] = NAN
        assert x.amax(1).isnan().tolist() == [False, True, False]


@pytest.mark.parametrize("rows, columns", [(3, 128), (5, 1300), (2, 70000), (300, 130)])
def test_a_column_along_long_rows(rows, columns):
    """It is spread once a row, over several blocks and where a chunk begins inside a row."""
    x = torch.arange(rows * columns).reshape(rows, columns)
    for dtype in (torch.float32, torch.float64, torch.int64, torch.bfloat16):
        column = (torch.arange(rows)[:, None] - 1).to(dtype)
        assert torch.equal(x.float() + column, x.float() + column.expand(rows, columns).contiguous())
        assert torch.equal(torch.where(column > 0, x, -x), torch.where((column > 0).repeat(1, columns), x, -x))
    row = torch.arange(columns, dtype=torch.float32)
    assert torch.equal(column.float() * row, column.float().repeat(1, columns) * row.repeat(rows, 1))


@pytest.mark.parametrize("n", [3, 5000, 70000])
@pytest.mark.parametrize("dtype, least, most", [(torch.uint8, 0, 255), (torch.int8, -128, 127),
                                                (torch.int16, -32768, 32767)])
def test_narrow_integers_as_they_lie(dtype, least, most, n):
    """They wrap around in their own width, whatever the length, the strides and the operand beside them."""
    def wrapped(x):
        return (x - least) % (most - least + 1) + least
    a = [wrapped(7919 * i) for i in range(n)]
    b = [wrapped(104729 * i + 5) for i in range(n)]
    x, y = torch.tensor(a, dtype=dtype), torch.tensor(b, dtype=dtype)
    wide = torch.empty(2 * n, dtype=dtype)
    wide[::2] = x
    for left in (x, wide[::2]):
        pairs = list(zip(a, b))
        assert (left + y).tolist() == [wrapped(p + q) for p, q in pairs]
        assert (left - y).tolist() == [wrapped(p - q) for p, q in pairs]
        assert (left * y).tolist() == [wrapped(p * q) for p, q in pairs]
        assert torch.add(left, y, alpha=3).tolist() == [wrapped(p + 3 * q) for p, q in pairs]
        assert (left & y).tolist() == [p & q for p, q in pairs] and (~left).tolist() == [wrapped(~p) for p in a]
        assert (left < y).tolist() == [p < q for p, q in pairs]
        assert torch.maximum(left, y).tolist() == [max(p, q) for p, q in pairs]
        assert (left >> 2).tolist() == [p >> 2 for p in a] and (left << 1).tolist() == [wrapped(2 * p) for p in a]
        assert left.clamp(3, 100).tolist() == [min(max(p, 3), 100) for p in a]
        assert (left + 100).tolist() == [wrapped(p + 100) for p in a] and (-left).tolist() == [wrapped(-p) for p in a]
        assert torch.where(left > 7, left, y).tolist() == [p if p > 7 else q for p, q in pairs]
        assert (left > -1).tolist() == [p > wrapped(-1) for p in a]
    assert x.clone().mul_(y).sub_(1).tolist() == [wrapped(p * q - 1) for p, q in zip(a, b)]
    assert torch.add(x, y, out=torch.empty(n, dtype=torch.int32)).tolist() == [wrapped(p + q) for p, q in zip(a, b)]
    assert (x + torch.ones(n, dtype=torch.bool)).tolist() == [wrapped(p + 1) for p in a]


def test_a_number_beside_long_rows_of_bytes():
    """Blocks are longer where elements are small; patterns begin at any phase of them."""
    for dtype in (torch.uint8, torch.int16, torch.float32, torch.float64):
        x = (torch.arange(7 * 10007) % 100).to(dtype)
        for period in (1, 3, 511, 512):
            row = (torch.arange(period) % 13).to(dtype)
            n = x.numel() // period * period
            assert torch.equal(x[:n].reshape(-1, period) + row, (x[:n] + row.repeat(n // period)).reshape(-1, period))
        assert torch.equal(x.clamp(10, 50), torch.minimum(torch.maximum(x, torch.full_like(x, 10)), torch.full_like(x, 50)))


def test_rounding_to_decimals_and_remainders_of_a_number():
    assert torch.round(torch.tensor([1.2345, -2.555, 1250.0]), decimals=2).tolist() == pytest.approx([1.23, -2.56, 1250.0])
    assert torch.round(torch.tensor([1250.0, -1349.0]), decimals=-2).tolist() == [1200.0, -1300.0]
    x = torch.tensor([0.75, -2.0, 1e-30, 3.0, float("inf")])
    assert torch.remainder(7.5, x[:2]).tolist() == [0.0, -0.5] and torch.remainder(7.5, x[3:]).tolist() == [1.5, 7.5]
    assert torch.remainder(1e30, torch.full((5000,), 3.0)).unique().numel() == 1


def test_conj_physical_of_real_numbers_is_the_tensor_itself():
    x = torch.ones(3)
    assert torch.conj_physical(x).data_ptr() == x.data_ptr()
    z = torch.tensor([1 + 2j], requires_grad=True)
    assert torch.conj_physical(z).tolist() == [1 - 2j]
    assert type(torch.conj_physical(z).grad_fn).__name__ == "ConjPhysicalBackward0"


BFLOATS = {
    "add": lambda x, y: x + y, "add alpha": lambda x, y: torch.add(x, y, alpha=2),
    "sub": lambda x, y: x - y, "mul": lambda x, y: x * y, "div": lambda x, y: x / y, "abs": lambda x, y: x.abs(),
    "neg": lambda x, y: -x, "relu": lambda x, y: x.relu(), "maximum": torch.maximum, "clamp": lambda x, y: x.clamp(-0.5, 1.5),
    "where": lambda x, y: torch.where(x > y, x, y), "sqrt": lambda x, y: x.abs().sqrt(), "square": lambda x, y: x * x,
    "addcmul": lambda x, y: torch.addcmul(x, x, y, value=0.5), "reciprocal": lambda x, y: x.reciprocal(),
    "by a number": lambda x, y: x * 0.1, "number over": lambda x, y: 2 / x, "leaky": lambda x, y: F.leaky_relu(x, 0.25),
}


@pytest.mark.parametrize("name", BFLOATS)
@pytest.mark.parametrize("n", [7, 300, 40000])
def test_bfloat16_is_float32_rounded_once(name, n):
    """Short, long and strided: the loops over bfloat16 as it lies and the staged ones give float32's values, rounded."""
    torch.manual_seed(n)
    x, y = (torch.randn(2 * n).bfloat16() for _ in range(2))
    x[:4] = torch.tensor([float("nan"), float("inf"), -0.0, 2.0**-130])
    call = BFLOATS[name]
    for a, b in ((x, y), (x[::2], y[::2]), (x.view(2, n), y[:n])):
        got, wide = call(a, b), call(a.float(), b.float()).bfloat16()
        assert got.dtype == torch.bfloat16
        assert got.contiguous().view(torch.int16).tolist() == wide.contiguous().view(torch.int16).tolist()


def test_numbers_beside_bfloat16():
    """What PyTorch rounds to bfloat16 first (an addend, alpha), and what it does not (a factor)."""
    x = torch.tensor([1.0, 2.0, 3.0, 100.0]).bfloat16()
    assert (x + 0.1).tolist() == [1.1015625, 2.09375, 3.09375, 100.0]
    assert (x * 0.1).tolist() == [0.10009765625, 0.2001953125, 0.30078125, 10.0]
    assert torch.add(x, x, alpha=0.3).tolist() == [1.296875, 2.59375, 3.90625, 130.0]
    assert (x > 2).tolist() == [False, False, True, True]
    out = torch.empty(4)
    torch.add(x, 0.1, out=out)
    assert out.tolist() == [1.1015625, 2.09375, 3.09375, 100.0]


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int64"])
@pytest.mark.parametrize("shape", [(5, 200), (3, 4, 130), (2, 40000), (300, 129), (1, 1000), (40000,)])
def test_columns_and_numbers_beside_rows(dtype, shape):
    """What is the same along a row, in either place, has the bits of what is written out."""
    dtype = getattr(torch, dtype)
    x = (torch.arange(torch.Size(shape).numel()) % 97 + 1).reshape(shape).to(dtype)
    wide = torch.cat([x, x], -1)[..., : shape[-1]]
    column, one = x[..., :1] / 3, torch.tensor(3, dtype=dtype)
    for f in (torch.add, torch.sub, torch.mul, torch.div, torch.gt, torch.atan2):
        for level in (column, column.to(dtype), column.double(), one):
            if f is torch.atan2 and not dtype.is_floating_point:
                continue
            whole = level.expand(shape).contiguous()
            for row in (x, wide):
                assert torch.equal(f(row, level), f(row, whole))
                assert torch.equal(f(level, row), f(whole, row))
        assert f is torch.atan2 or torch.equal(f(wide, 3), f(x, one.expand(shape).contiguous()))


# What multiplies and adds does so with one rounding, as PyTorch's kernels do.
FUSED = {
    "add": ["0x1.3851ecp-1", "0x1.3851eap-1", "0x1.34e81cp-1", "-0x1.5eb850p+0"],
    "sub": ["-0x1.a3d70cp-2", "0x1.947ae2p-1", "0x1.0369d2p-4", "-0x1.9d70a4p+1"],
    "rsub": ["0x1.ab8520p+0", "-0x1.051eb8p-1", "0x1.999998p-1", "0x1.e51eb8p+1"],
    "addcmul": ["0x1.d3f7d2p-2", "0x1.25e354p-1", "-0x1.704c76p-2", "-0x1.ddb22cp+0"],
    "addcdiv": ["0x1.044444p+2", "0x1.666666p-2", "-0x1.ea475cp-3", "0x1.119998p+3"],
    "lerp": ["0x1.28f5c4p-1", "0x1.999998p-2", "0x1.01b4e8p-1", "-0x1.5c28f6p-1"],
    "lerp far": ["0x1.3851ecp+0", "0x0p+0", "0x1.75c28ep-1", "0x1.7ae146p+0"],
    "lerp each": ["0x1.28f5c4p-1", "0x1.999990p-4", "0x1.e9d036p-1", "-0x1.3851ecp+0"],
    "add double": ["0x1.3851ec0cccccdp-1", "0x1.3851eb0000000p-1", "0x1.34e81b6666666p-1",
                   "-0x1.5eb851999999ap+0"],
}


def test_products_are_added_with_one_rounding():
    a = torch.tensor([0.1, 0.7, 1 / 3, -2.3])
    b, c = torch.tensor([1.7, -0.3, 0.9, 3.1]), torch.tensor([0.3, 0.6, -1.1, 0.2])
    found = {
        "add": torch.add(a, b, alpha=0.3),
        "sub": torch.sub(a, b, alpha=0.3),
        "rsub": torch.rsub(a, b, alpha=0.3),
        "addcmul": torch.addcmul(a, b, c, value=0.7),
        "addcdiv": torch.addcdiv(a, b, c, value=0.7),
        "lerp": torch.lerp(a, b, 0.3),
        "lerp far": torch.lerp(a, b, 0.7),
        "lerp each": torch.lerp(a, b, c.abs()),
        "add double": torch.add(a.double(), b.double(), alpha=0.3),
    }
    assert {name: y.tolist() for name, y in found.items()} == {
        name: [float.fromhex(text) for text in texts] for name, texts in FUSED.items()
    }
