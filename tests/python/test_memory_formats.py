"""Results keep their operand's memory format, and pointwise ones follow strides (PyTorch 2.13)."""

import flambeau as torch
import flambeau.nn.functional as F
import pytest

LAST = torch.channels_last


def _image():
    return torch.arange(96.0).reshape(2, 3, 4, 4).contiguous(memory_format=LAST)


KEPT = {
    "cat": (lambda x: torch.cat([x, x], 1), (96, 1, 24, 6)),
    "cat of rows": (lambda x: torch.cat([x, x]), (48, 1, 12, 3)),
    "pad": (lambda x: F.pad(x, (1, 1, 1, 1)), (108, 1, 18, 3)),
    "pad reflect": (lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"), (108, 1, 18, 3)),
    "pad replicate": (lambda x: F.pad(x, (1, 1, 1, 1), mode="replicate"), (108, 1, 18, 3)),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2), (12, 1, 6, 3)),
    "its positions": (lambda x: F.max_pool2d(x, 2, return_indices=True)[1], (12, 1, 6, 3)),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 2), (12, 1, 6, 3)),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, 2), (12, 1, 6, 3)),
    "batch_norm": (lambda x: F.batch_norm(x, None, None, training=True), (48, 1, 12, 3)),
    "batch_norm eval": (lambda x: F.batch_norm(x, x.new_zeros(3), x.new_ones(3)), (48, 1, 12, 3)),
    "conv2d": (lambda x: F.conv2d(x, torch.ones(5, 3, 3, 3)), (20, 1, 10, 5)),
    "conv2d by weight": (
        lambda x: F.conv2d(x.contiguous(), torch.ones(5, 3, 3, 3).to(memory_format=LAST)),
        (20, 1, 10, 5),
    ),
    "conv_transpose2d": (lambda x: F.conv_transpose2d(x, torch.ones(3, 5, 2, 2)), (125, 1, 25, 5)),
    "interpolate": (lambda x: F.interpolate(x, scale_factor=2), (192, 1, 24, 3)),
    "bilinear": (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), (192, 1, 24, 3)),
    "flip": (lambda x: x.flip(3), (48, 1, 12, 3)),
    "sort": (lambda x: x.sort(1)[0], (48, 1, 12, 3)),
    "glu": (lambda x: F.glu(x, 3), (24, 1, 6, 3)),
    "pixel_unshuffle": (lambda x: F.pixel_unshuffle(x, 2), (48, 1, 24, 12)),
    "a slice times 1": (lambda x: x[:, :2] * 1, (32, 1, 8, 2)),
    "plus contiguous": (lambda x: x + torch.ones(2, 3, 4, 4), (48, 1, 12, 3)),
    "contiguous plus": (lambda x: torch.ones(2, 3, 4, 4) + x, (48, 16, 4, 1)),
    "plus a row": (lambda x: x + torch.ones(3, 1, 1), (48, 1, 12, 3)),
}


@pytest.mark.parametrize("name", KEPT)
def test_channels_last(name):
    call, strides = KEPT[name]
    y = call(_image())
    assert y.stride() == strides
    assert torch.equal(y, call(_image().contiguous()))


def test_contiguous_stays():
    x = _image().contiguous()
    assert F.max_pool2d(x, 2).is_contiguous() and torch.cat([x, _image()]).is_contiguous()
    assert F.max_pool2d(torch.ones(2, 3, 1, 1), 1).stride() == (3, 1, 1, 1)
    assert F.conv1d(torch.ones(2, 3, 5), torch.ones(4, 3, 2)).is_contiguous()


def test_three_dims():
    x = torch.ones(2, 3, 4, 4, 4).contiguous(memory_format=torch.channels_last_3d)
    assert F.conv3d(x, torch.ones(5, 3, 3, 3, 3)).stride() == (40, 1, 20, 10, 5)
    assert F.max_pool3d(x, 2).stride() == (24, 1, 12, 6, 3)
    assert F.batch_norm(x, None, None, training=True).stride() == (192, 1, 48, 12, 3)
    assert torch.cat([x, x], 1).stride() == (384, 1, 96, 24, 6)
    assert F.avg_pool3d(x, 2).stride() == (24, 8, 4, 2, 1)


def test_gradients_through_the_formats():
    x = _image().double().requires_grad_()
    weight = torch.ones(4, 3, 3, 3, dtype=torch.float64).to(memory_format=LAST).requires_grad_()

    def net(x, weight):
        y = F.batch_norm(F.conv2d(x / 50, weight), None, None, training=True)
        y = F.max_pool2d(F.pad(torch.cat([y, y * y], 1), (1, 1, 1, 1), mode="reflect"), 2)
        return F.interpolate(y, scale_factor=2, mode="bilinear").flip(2)

    assert torch.autograd.gradcheck(net, (x, weight))
    net(x, weight).sum().backward()
    assert x.grad.stride() == (48, 1, 12, 3) and weight.grad.stride() == (27, 1, 9, 3)


def test_a_retained_gradient_lies_row_by_row():
    x = _image().requires_grad_()
    y = x * 1
    y.retain_grad()
    (y * 2).sum().backward()
    assert y.grad.stride() == (48, 16, 4, 1) and x.grad.stride() == (48, 1, 12, 3)


@pytest.mark.parametrize(
    ("make", "strides"),
    [
        (lambda: torch.zeros(4, 6)[:, ::2] + 1, (3, 1)),
        (lambda: torch.zeros(4, 6).t()[::2] + 1, (1, 3)),
        (lambda: torch.zeros(2, 3, 4).permute(2, 0, 1)[1:] + 1, (1, 9, 3)),
        (lambda: torch.zeros(4, 3).t() + torch.zeros(3, 1), (1, 3)),
        (lambda: torch.zeros(3, 1) + torch.zeros(4, 3).t(), (1, 3)),
        (lambda: torch.zeros(3).expand(2, 3) + 1, (3, 1)),
        (lambda: torch.ones(2, 3).nonzero(), (1, 6)),
        (lambda: torch.zeros(2, 3).nonzero(), (1, 0)),
    ],
)
def test_strides(make, strides):
    assert make().stride() == strides


def test_attention_lies_as_its_query():
    def heads(n):
        return torch.arange(float(2 * n * 12)).reshape(2, n, 3, 4).div(99).sin().transpose(1, 2)

    q, k, v = heads(5), heads(6), heads(6)
    y = F.scaled_dot_product_attention(q, k, v)
    assert y.stride() == (60, 4, 12, 1)
    rows = F.scaled_dot_product_attention(q.contiguous(), k.contiguous(), v.contiguous())
    assert rows.stride() == (60, 20, 4, 1) and torch.equal(y, rows)
    q = q.double().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda q: F.scaled_dot_product_attention(q, k.double(), v.double()), (q,)
    )


def test_sums_with_products_and_scattered_copies_are_contiguous():
    t = torch.arange(6.0).reshape(2, 3).t()
    index, row = torch.zeros(3, 2, dtype=torch.int64), torch.ones(1, 2)
    batch = torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1)
    for y in (t.scatter(0, index, 1.0), t.scatter(0, index, t), t.scatter_add(0, index, t),
              t.scatter(0, index, t, reduce="add"), t.index_add(0, torch.tensor([0]), row),
              t.index_copy(0, torch.tensor([0]), row), t.renorm(2, 0, 1.0),
              torch.nn.functional.rms_norm(t, (2,)), torch.addmm(t, t, torch.ones(2, 2)),
              torch.addbmm(t, torch.ones(4, 3, 3), torch.ones(4, 3, 2)),
              torch.baddbmm(batch, batch, torch.ones(4, 3, 3))):
        assert y.is_contiguous() and y.view(-1).shape == (y.numel(),)
    one, first = torch.tensor(1.0), torch.tensor([0])
    for y in (t + 1, t.index_fill(0, first, 1.0), t.index_put((first,), one)):
        assert y.stride() == (1, 3)


def test_one_channel_has_strides_of_both_formats():
    x = torch.randn(2, 1, 4, 4)
    y = x.to(memory_format=torch.channels_last)
    assert y.stride() == (16, 1, 4, 1)
    assert x.contiguous(memory_format=torch.channels_last).stride() == (16, 16, 4, 1)
    assert torch.nn.functional.conv2d(y, torch.ones(2, 1, 1, 1)).stride() == (32, 1, 8, 2)
    assert torch.randn(2, 3, 1, 1).to(memory_format=torch.channels_last).stride() == (3, 1, 3, 3)
    assert y.to(memory_format=torch.contiguous_format).stride() == (16, 16, 4, 1)


def test_a_dtype_and_a_format():
    x = torch.randn(2, 3, 4, 4)
    assert x.to(torch.float64, memory_format=torch.channels_last).stride() == (48, 1, 12, 3)
    assert x.double(memory_format=torch.channels_last).stride() == (48, 1, 12, 3)


# Turned dims, channels last, and index tensors of every kind: PyTorch's strides.
LAID = [
    ("x.sort(1)[0]", (1, 4, 12)),
    ("t.sort(0)[1]", (1, 4)),
    ("x[::2].sort(0)[0]", (1, 2, 6)),
    ("torch.ones(1, 3).expand(4, 3).sort(0)[0]", (3, 1)),
    ("c.topk(2, 1)[0]", (32, 16, 4, 1)),
    ("c.cummax(1)[0]", (48, 16, 4, 1)),
    ("x.flip(1)", (1, 4, 12)),
    ("x[:, ::2].flip(1)", (1, 4, 8)),
    ("c.fliplr()", (48, 1, 12, 3)),
    ("c.rot90()", (1, 48, 12, 3)),
    ("c.rot90(2)", (48, 1, 12, 3)),
    ("t.rot90(3)", (4, 1)),
    ("t.roll(1)", (3, 1)),
    ("x[i]", (6, 1, 3)),
    ("x[:, i]", (1, 4, 8)),
    ("x[:, :, i]", (2, 8, 1)),
    ("x[i, i]", (2, 1)),
    ("x[:, i, i]", (2, 1)),
    ("x[i, :, i]", (3, 1)),
    ("x[i, :, i[:, None]]", (6, 3, 1)),
    ("x[[True, False, True, False]]", (6, 1, 3)),
    ("c[i]", (48, 1, 12, 3)),
    ("c[:, i]", (32, 16, 4, 1)),
    ("c[:, :, i]", (24, 1, 3, 6)),
    ("c[i, :, i]", (12, 1, 3)),
    ("c[k]", (96, 48, 1, 12, 3)),
    ("c[m]", (48, 1, 12, 3)),
    ("c[i, 0]", (16, 4, 1)),
    ("t[i]", (3, 1)),
    ("t[k]", (6, 3, 1)),
    ("t[None, i]", (6, 3, 1)),
    ("torch.randn(4, 3)[k.t()]", (3, 6, 1)),
    ("t.take(k.t())", (2, 1)),
    ("torch.polar(t, t)", (1, 4)),
    ("torch.complex(t, t.contiguous())", (1, 4)),
    ("torch.complex(t.contiguous(), t)", (3, 1)),
    ("torch.complex(t, torch.tensor(1.0))", (1, 4)),
    ("torch.complex(c, c)", (48, 1, 12, 3)),
    ("torch.frexp(c)[0]", (48, 1, 12, 3)),
    ("torch.frexp(t)[1]", (1, 4)),
    ("c.put(i, torch.ones(2))", (48, 1, 12, 3)),
    ("torch.fft.fft(x, dim=0)", (1, 4, 12)),
    ("torch.fft.fft(x, dim=1)", (3, 1, 12)),
    ("torch.fft.rfft(x, dim=0)", (1, 3, 9)),
    ("torch.fft.irfft(x, dim=1)", (4, 1, 16)),
    ("torch.fft.hfft(x, dim=2)", (2, 8, 1)),
    ("torch.fft.ihfft(x, dim=0)", (1, 3, 9)),
    ("torch.fft.fft2(x, dim=(0, 1))", (1, 4, 12)),
    ("torch.fft.rfft2(x, dim=(2, 0))", (1, 6, 3)),
    ("torch.fft.irfft2(x, dim=(0, 1))", (4, 1, 16)),
    ("torch.fft.fftn(x)", (1, 4, 12)),
    ("torch.fft.rfftn(x)", (2, 8, 1)),
]


@pytest.mark.parametrize(["call", "strides"], LAID)
def test_results_lie_as_pytorchs(call, strides):
    names = {
        "torch": torch,
        "x": torch.arange(24.0).reshape(2, 3, 4).transpose(0, 2),
        "t": torch.arange(12.0).reshape(3, 4).t(),
        "c": _image(),
        "i": torch.tensor([0, 1]),
        "k": torch.tensor([[0, 1], [1, 0]]),
        "m": torch.tensor([True, False]),
    }
    y = eval(call, names)
    assert y.stride() == strides
    for name in "xtc":  # and the numbers are those of the same call on rows
        names[name] = names[name].contiguous()
    z = eval(call, names)
    if "randn" not in call:
        torch.testing.assert_close(y, z)


# c1: one channel, last; h1: one pixel, channels last; n1: one image; t: turned.
OF_ONE = [
    ("torch.clone(c1)", (15, 1, 5, 1)),
    ("c1 + 1", (15, 1, 5, 1)),
    ("c1 + c1", (15, 15, 5, 1)),
    ("c1.relu()", (15, 15, 5, 1)),
    ("c1.double()", (15, 1, 5, 1)),
    ("torch.zeros_like(c1)", (15, 1, 5, 1)),
    ("c1.flip(1)", (15, 1, 5, 1)),
    ("c1.sort(1)[0]", (15, 1, 5, 1)),
    ("h1 * 2", (4, 1, 4, 4)),
    ("h1.masked_fill(h1 > 0, 1.0)", (4, 1, 1, 1)),
    ("F.pixel_shuffle(n1, 2)", (60, 1, 10, 1)),
    ("F.interpolate(c1, scale_factor=2)", (60, 1, 10, 1)),
    ("n1.select_scatter(n1[:, 0], 1, 0)", (60, 1, 20, 4)),
    ("t.slice_scatter(t[:2], 0, 0, 2)", (1, 4)),
    ("t.as_strided_scatter(torch.ones(2), (2,), (1,))", (1, 4)),
    ("F.unfold(n1, 1)", (60, 15, 1)),
    ("F.max_pool1d(t[None], 2)", (4, 1, 1)),
    ("F.conv3d(torch.ones(1, 2, 3, 3, 3).to(memory_format=torch.channels_last_3d), "
     "torch.ones(4, 2, 1, 1, 1))", (108, 27, 9, 3, 1)),
]


@pytest.mark.parametrize(["call", "strides"], OF_ONE)
def test_dims_of_one_keep_their_strides(call, strides):
    last = torch.channels_last
    names = {
        "torch": torch,
        "F": torch.nn.functional,
        "c1": torch.rand(2, 1, 3, 5).to(memory_format=last),
        "h1": torch.rand(2, 4, 1, 1).to(memory_format=last),
        "n1": torch.rand(1, 4, 3, 5).to(memory_format=last),
        "t": torch.rand(3, 4).t(),
    }
    assert names["c1"].stride() == (15, 1, 5, 1) and names["t"].stride() == (1, 4)
    assert eval(call, names).stride() == strides
