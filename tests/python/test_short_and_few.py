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
