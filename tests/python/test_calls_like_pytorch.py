"""Calls whose result, layout, destination or refusal differed from PyTorch 2.13's."""

import pytest

import flambeau as torch
from flambeau.nn import functional as F

numpy = pytest.importorskip("numpy")
NAN = float("nan")
X = torch.arange(1.0, 7).reshape(2, 3)
V = torch.arange(1.0, 4)
INDEX = torch.zeros(1, 3, dtype=torch.int64)


@pytest.mark.parametrize(
    "call",
    [
        lambda out: torch.scatter(X, 0, INDEX, X, **out),
        lambda out: torch.scatter(X, 0, INDEX, 5.0, **out),
        lambda out: torch.take_along_dim(X, INDEX, 0, **out),
        lambda out: torch.diag(V, **out),
        lambda out: torch.vdot(V, V, **out),
        lambda out: torch.inner(V, V, **out),
        lambda out: torch.ger(V, V, **out),
        lambda out: torch.float_power(V, 2, **out),
        lambda out: torch.polygamma(1, V, **out),
        lambda out: torch.special.expit(V, **out),
        lambda out: torch.special.entr(V, **out),
        lambda out: torch.special.gammainc(V, V, **out),
        lambda out: torch.mvlgamma(V, 1, **out),
        lambda out: torch.nanmean(X, 0, **out),
        lambda out: torch.logsumexp(X, 0, **out),
        lambda out: torch.msort(X, **out),
        lambda out: torch.logcumsumexp(X, 0, **out),
    ],
)
def test_destinations(call):
    want = call({})
    out = torch.empty(0, dtype=want.dtype)
    assert call({"out": out}) is out and torch.equal(out, want)
    view = torch.zeros(want.shape + (2,), dtype=want.dtype)[..., 1]
    assert call({"out": view}) is view and torch.equal(view, want)
    if want.numel() > 1:
        with pytest.raises(RuntimeError, match="refers to a single memory location"):
            call({"out": torch.zeros((1,) * want.dim(), dtype=want.dtype).expand(want.shape)})


@pytest.mark.parametrize("name", ["median", "mode", "cummax", "cummin", "kthvalue"])
def test_destinations_of_two(name):
    given = (1,) if name == "kthvalue" else ()
    want = getattr(torch, name)(X, *given, 0)
    out = torch.empty(0), torch.empty(0, dtype=torch.int64)
    got = getattr(torch, name)(X, *given, 0, out=out)
    assert got[0] is out[0] and got[1] is out[1]
    assert torch.equal(out[0], want[0]) and torch.equal(out[1], want[1])


def test_a_conversion_with_a_memory_format_is_laid_out_so():
    x = torch.arange(6).reshape(3, 2).t()
    assert x.int(memory_format=torch.contiguous_format).stride() == (3, 1)
    assert x.float(memory_format=torch.contiguous_format).stride() == (3, 1)
    assert x.to(torch.uint8, memory_format=torch.contiguous_format).stride() == (3, 1)
    assert x.int().stride() == (1, 2) and x.long(memory_format=torch.contiguous_format) is x
    image = torch.ones(1, 3, 4, 4, requires_grad=True)
    double = image.double(memory_format=torch.channels_last)
    assert double.stride() == (48, 1, 12, 3) and double.requires_grad


def test_results_that_share_no_memory():
    image = torch.ones(1, 1, 2, 2)
    for y in (F.pixel_shuffle(image, 1), F.pixel_unshuffle(image, 1)):
        y.zero_()
    number = torch.ones(())
    number.sum_to_size(()).zero_()
    row = torch.ones(2, 4)[:, ::2]
    flat = row.ravel()
    flat.zero_()
    assert image.min() == 1 and number == 1 and row.min() == 1 and flat.stride() == (1,)


def test_rrelu_lays_its_result_out_row_by_row():
    x = torch.ones(2, 3).t()
    assert F.rrelu(x, training=True).stride() == (2, 1) and F.rrelu(x).stride() == (2, 1)


@pytest.mark.parametrize("reduce", ["amax", "amin"])
def test_an_extreme_that_is_nan_has_gradients_that_are(reduce):
    x = torch.tensor([0.0, 1.0], requires_grad=True)
    s = torch.tensor([NAN, 2.0, 3.0], requires_grad=True)
    x.scatter_reduce(0, torch.tensor([0, 0, 1]), s, reduce).sum().backward()
    assert x.grad[0].isnan() and s.grad[:2].isnan().all() and not x.grad[1].isnan()


def test_numbers_of_numpy_that_python_has_no_type_for():
    p = torch.tensor([1.0, 2.0], requires_grad=True)
    for y in (numpy.longdouble(2) * p, p * numpy.longdouble(2)):
        assert isinstance(y, torch.Tensor) and y.tolist() == [2, 4] and y.dtype == torch.float32
    assert (p * numpy.clongdouble(2j)).tolist() == [2j, 4j]
    assert torch.full((1,), numpy.longdouble(0.5)).tolist() == [0.5]
    for other in (numpy.timedelta64(1), numpy.datetime64("2020-01-01")):
        with pytest.raises(TypeError):
            other * p


@pytest.mark.parametrize(
    "call, kind, text",
    [
        (lambda i, x: F.kl_div(i, x), RuntimeError, "kl_div: Integral inputs not supported."),
        (lambda i, x: F.kl_div(x, i), RuntimeError, "kl_div: Integral inputs not supported."),
        (lambda i, x: F.binary_cross_entropy_with_logits(i, x), NotImplementedError,
         "\"log_sigmoid_cpu\" not implemented for 'Long'"),
        (lambda i, x: F.soft_margin_loss(i, x), RuntimeError,
         "result type Float can't be cast to the desired output type Long"),
        (lambda i, x: x.set_(i), RuntimeError,
         "Could not set tensor of type long int to a tensor of type float"),
    ],
)
def test_integers_where_there_are_none(call, kind, text):
    with pytest.raises(kind, match=text):
        call(torch.tensor([1, 2]), torch.tensor([0.5, 0.25]))


def test_regions_of_an_image_without_pixels_are_zeros():
    x = torch.ones(1, 2, 5, 0, requires_grad=True)
    y = torch._roi_align(x, torch.tensor([[0.0, 0, 0, 2, 2]]), 3, 2, 3, 2, True)
    y.sum().backward()
    assert y.shape == (1, 2, 2, 3) and not y.any() and x.grad.shape == x.shape
