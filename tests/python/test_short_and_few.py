"""Shapes with ways of their own: short lines and rows of sums, masks over whole tensors, convolutions of one tap,
points blended along a dim. Each against the same asked another way."""
import pytest

import flambeau as torch
from flambeau.nn import functional as F


@pytest.mark.parametrize("sizes", [(1000, 3), (777, 7), (40000, 2), (5, 3), (300, 16), (2, 9)])
def test_reductions_of_short_lines_and_rows(sizes):
    x = torch.randint(-9, 9, sizes)
    rows = x.tolist()
    columns = list(zip(*rows))
    for t in (x, x.to(torch.float32), x.to(torch.float64), x.to(torch.int16), x.t().contiguous().t()):
        assert t.sum(1).tolist() == [sum(r) for r in rows]
        assert t.sum(0).tolist() == [sum(c) for c in columns]
        assert t.amax(1).tolist() == [max(r) for r in rows]
        assert t.amax(0).tolist() == [max(c) for c in columns]
        assert t.amin((0, 1)).item() == min(map(min, rows))
        assert (t > 8).any(0).tolist() == [any(v > 8 for v in c) for c in columns]


def test_sums_of_overlapping_windows():
    x = torch.arange(100, dtype=torch.float32)
    windows = x.unfold(0, 8, 1)
    assert windows.sum(1).tolist() == [sum(range(i, i + 8)) for i in range(93)]
    assert windows.sum(0).tolist() == [sum(range(i, i + 93)) for i in range(8)]
    image = torch.arange(36, dtype=torch.float64).reshape(6, 6).unfold(0, 3, 1).unfold(1, 3, 1)
    assert image.sum((-1, -2)).tolist() == [[9 * (6 * i + j + 7) for j in range(4)] for i in range(4)]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.float32, torch.float64])
def test_masks_of_whole_tensors(dtype):
    x = torch.randint(0, 50, (7, 30)).to(dtype)
    mask = torch.randint(0, 3, (7, 30)) == 0
    flat, marks = x.flatten().tolist(), mask.flatten().tolist()
    assert x[mask].tolist() == [v for v, m in zip(flat, marks) if m]
    assert x.t()[mask.t()].tolist() == [x[i, j].item() for j in range(30) for i in range(7) if mask[i, j]]
    assert x[mask[:, 0]].tolist() == [row for row, m in zip(x.tolist(), mask[:, 0].tolist()) if m]
    assert mask.nonzero().tolist() == [[i, j] for i in range(7) for j in range(30) if mask[i, j]]
    for y in (x.clone(), x.t().clone().t()):
        y[mask] = 3
        assert y.flatten().tolist() == [3 if m else v for v, m in zip(flat, marks)]
    assert x.masked_fill(mask, 3).tolist() == y.tolist()
    assert x[torch.zeros(7, 30, dtype=torch.bool)].shape == (0,)


@pytest.mark.parametrize("n, side", [(1, (1, 1)), (2, (4, 4)), (3, (1, 5)), (2, (9, 8))])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_convolutions_of_one_tap(n, side, layout):
    x = torch.randn(n, 20, *side, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    w = torch.randn(33, 20, 1, 1, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(33, dtype=torch.float64, requires_grad=True)
    y = F.conv2d(x, w, bias)
    expected = torch.einsum("nchw,kc->nkhw", x, w[:, :, 0, 0]) + bias.reshape(33, 1, 1)
    assert torch.allclose(y, expected, rtol=1e-12, atol=1e-12)
    g = torch.randn(n, 33, *side, dtype=torch.float64)
    for a, b in zip(torch.autograd.grad(y, (x, w, bias), g), torch.autograd.grad(expected, (x, w, bias), g)):
        assert torch.allclose(a, b, rtol=1e-12, atol=1e-12)


def test_products_of_transposed_and_long_factors():
    """Packed A and B of many blocks: bit for bit the columns and rows done alone."""
    a, b = torch.randn(520, 300).t(), torch.randn(520, 140)
    y = a @ b
    assert torch.allclose(y.double(), a.double() @ b.double(), atol=1e-3)
    assert torch.equal(y[100:128], a[100:128] @ b)
    assert torch.equal(y[:, 32:96], a @ b[:, 32:96])


def test_points_blended():
    x = torch.randn(3, 6, 5, dtype=torch.float64)
    index, weight = torch.tensor([[0, 5, 2, 2], [1, 5, 0, 3]]), torch.rand(2, 4, dtype=torch.float64)
    for dim, t in ((1, x), (2, x.transpose(1, 2)), (-1, x[:, :, 0].contiguous())):
        shape = [4 if d == dim % t.ndim else 1 for d in range(t.ndim)]
        expected = sum(t.index_select(dim, i) * w.reshape(shape) for i, w in zip(index, weight))
        assert torch.allclose(torch._C._blend_points(t, dim, index, weight), expected, rtol=1e-14)
    with pytest.raises(IndexError, match="point 6 is not within a dim of size 6"):
        torch._C._blend_points(x, 1, index + 1, weight)


@pytest.mark.parametrize("times", [1, 3, 40])
def test_each_element_repeated(times):
    for dtype in (torch.float32, torch.int64, torch.uint8):
        x = torch.arange(70).to(dtype)
        assert x.repeat_interleave(times).tolist() == [v for v in range(70) for _ in range(times)]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64, torch.bfloat16, torch.complex64])
@pytest.mark.parametrize("line", [1, 2, 3, 5, 8, 11, 16])
def test_short_lines_are_turned_whole(line, dtype):
    """Tiles of lines that do not fill a block, up to the end of the memory that they lie in."""
    for count in (1, 7, 8, 9, 30, 515):
        whole = torch.arange(count * line) % 13 + 1
        x = whole.reshape(count, line).to(dtype)
        rows = whole.reshape(count, line).tolist()
        assert x.sum(1).to(torch.int64).tolist() == [sum(r) for r in rows]
        assert x.t().contiguous().to(torch.int64).tolist() == [list(c) for c in zip(*rows)]
        wide = torch.nn.functional.pad(whole.reshape(count, line), (0, 3)).to(dtype)
        assert wide[:, :line].sum(1).to(torch.int64).tolist() == [sum(r) for r in rows]


def test_windows_are_summed_in_the_order_of_their_copies():
    x = torch.randn(9, 600)
    windows = x.unfold(1, 16, 4)
    copy = torch.empty_strided(windows.shape, (147 * 16, 16, 1)).copy_(windows)
    assert torch.equal(windows.sum(2), copy.sum(2))
    one = copy[..., 0].clone()
    for k in range(1, 16):
        one += copy[..., k]
    assert torch.equal(windows.sum(2), one)
    for dims in ((0, 1), (1,), (0,)):
        assert torch.allclose(windows.double().sum(dims), windows.sum(dims).double(), atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int16, torch.int32, torch.int64, torch.float16,
                                   torch.float32, torch.float64])
@pytest.mark.parametrize("n", [0, 1, 2, 1024, 1025, 1033, 5000])
def test_runs_of_equal_neighbours(n, dtype):
    for most in (2, 100):
        x = (torch.randint(0, 2 * most, (n,)) // most if most > 2 else torch.randint(0, most, (n,))).to(dtype)
        values, inverse, counts = torch.unique_consecutive(x, return_inverse=True, return_counts=True)
        want = []
        for v in x.tolist():
            if not want or want[-1][0] != v:
                want.append([v, 0])
            want[-1][1] += 1
        assert values.tolist() == [v for v, _ in want] and counts.tolist() == [c for _, c in want]
        assert inverse.tolist() == [k for k, (_, c) in enumerate(want) for _ in range(c)]
    if dtype.is_floating_point and n > 1:
        x = torch.full((n,), float("nan")).to(dtype)
        assert len(torch.unique_consecutive(x)) == n


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 64, 1000])
def test_places_of_what_is_true(n):
    for x in (torch.zeros(n), torch.ones(n), (torch.rand(n) > 0.9).float(), (torch.rand(n) > 0.1).float()):
        want = [i for i, v in enumerate(x.tolist()) if v]
        assert torch.nonzero(x).flatten().tolist() == want
        assert torch.nonzero(x, as_tuple=True)[0].tolist() == want


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_quotients_of_narrow_integers(dtype):
    info = torch.iinfo(dtype)
    edges = [info.min, info.min + 1, info.max, info.max - 1, -1, 1, 2, 3, 7, 100, -7, -128, 127, 255]
    divisors = torch.tensor([v for v in edges if info.min <= v <= info.max and v])
    step = max((info.max - info.min) // 499, 1)
    dividends = torch.arange(info.min, info.max + 1, step)
    a, b = dividends[:, None].to(dtype), divisors[None].to(dtype)

    def wrapped(x):
        return (x - info.min) % (info.max - info.min + 1) + info.min

    rows = [[(p, q) for q in divisors.tolist()] for p in dividends.tolist()]
    assert (a // b).tolist() == [[wrapped(p // q) for p, q in r] for r in rows]
    assert (a % b).tolist() == [[p % q for p, q in r] for r in rows]
    cut = [[(abs(p) // abs(q)) * (1 if (p < 0) == (q < 0) else -1) for p, q in r] for r in rows]
    assert torch.div(a, b, rounding_mode="trunc").tolist() == [[wrapped(v) for v in r] for r in cut]
    for q in divisors.tolist():
        assert (a[:, 0] // q).tolist() == [wrapped(p // q) for p in dividends.tolist()]
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        a // torch.zeros(3, dtype=dtype)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("numbers", [1, 2, 3, 60, 200, 1000])
@pytest.mark.parametrize("n", [2047, 2048, 2049, 2050, 2051, 9001])
def test_counted_sorts_are_stable(n, numbers, descending):
    """Numbers few beside the line are counted, in four parts of it."""
    for dtype in (torch.uint8, torch.int8, torch.int64, torch.bool):
        if numbers > {torch.uint8: 256, torch.int8: 128, torch.bool: 2}.get(dtype, numbers):
            continue
        x = torch.randint(0, numbers, (n,)) - (numbers // 2 if dtype in (torch.int8, torch.int64) else 0)
        values, places = x.to(dtype).sort(descending=descending, stable=True)
        order = sorted(range(n), key=lambda i, v=x.tolist(): -v[i] if descending else v[i])
        assert places.tolist() == order
        assert values.tolist() == x.to(dtype)[places].tolist()
