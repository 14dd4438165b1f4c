"""One argument of a sample call does not fit: a tensor of another shape or dtype, another number, a
list that is longer. Each operator refuses it by an exception of Python or takes it, and so does the
derivative of what it took. No kernel is reached with operands that it takes for granted: built with
assertions or sanitizers, those would tell."""

import math
import warnings

import pytest

import flambeau as torch
from flambeau import _C
from samples import tensors
from test_table import OPERATORS

REFUSALS = (RuntimeError, ValueError, IndexError, TypeError, OverflowError, MemoryError)
DTYPES = (torch.int8, torch.bool, torch.complex64, torch.float64, torch.float16, torch.int64)


def grown(t, dim):
    """t with one more of its elements along a dim; its first is there twice."""
    return torch.cat([t, t.narrow(dim, 0, 1)], dim) if t.shape[dim] else t.new_zeros(
        [n + (d == dim % t.ndim) for d, n in enumerate(t.shape)])


def shapes(t):
    """t in other shapes, by what is particular about them."""
    yield "one dim more in front", t[None]
    yield "one dim more behind", t[..., None]
    yield "flat", t.reshape(-1)
    yield "nothing", t.new_zeros([0])
    yield "no dims", t.new_ones([])
    yield "five dims of one", t.new_ones([1] * 5)
    for dim in {0, t.ndim - 1} if t.ndim else ():
        yield f"one more along {dim}", grown(t, dim)
        yield f"none along {dim}", t.narrow(dim, 0, 0)
        if t.shape[dim]:
            yield f"one along {dim}", t.narrow(dim, 0, 1)
            yield f"without dim {dim}", t.select(dim, 0)


def misfits(t):
    yield from shapes(t)
    for dtype in DTYPES:
        if t.dtype != dtype:
            yield str(dtype), t.to(dtype)


def numbers(value):
    """Other numbers in the place of one, or of a list of them."""
    if type(value) is int:
        yield from (n for n in (-3, -1, 0, 2, 5) if n != value)
    if isinstance(value, list) and all(type(v) is int for v in value):
        yield from ([], value[:-1], value + value[-1:], value * 2)
        for n in (-1, 0, 3):
            yield [n] * len(value)
            yield [n, *value[1:]]


EXTREMES = (math.nan, math.inf, -1e300, 2 ** 63 - 1, -2 ** 63, 1j, True, None)


def scalars(op, args):
    """The names of what may be any number."""
    return [p["name"] for p in op.params if p["type"] in ("Scalar", "Tensor|Scalar", "float")
            and (p["name"] in args or p["default"])]


def replaced(args, key, i, other):
    """The arguments with another tensor in the place of the i-th of those named key."""
    value = args[key]
    if isinstance(value, list):
        return {**args, key: [other if k == i else v for k, v in enumerate(value)]}
    return {**args, key: other}


def places(args):
    for key, value in args.items():
        for i, _ in enumerate(tensors([value])):
            yield key, i


def samples_of(op, sample):
    """How to build a sample's arguments; then also one tensor that it leaves out."""
    yield sample.build
    for p in op.params:
        if p["type"] == "Tensor" and p["optional"] and sample.values.get(p["name"]) is None:
            for like in tensors(sample.build())[:1]:
                yield lambda p=p, like=like: {**sample.build(), p["name"]: like.clone()}


def variants(op, build):
    """The arguments with one tensor that does not fit, with all tensors changed alike, and with
    other numbers."""
    first = build()
    for key, i in places(first):
        for n, _ in enumerate(misfits(tensors([first[key]])[i])):
            args = build()
            yield replaced(args, key, i, list(misfits(tensors([args[key]])[i]))[n][1])
    for name in ("nothing", "no dims", "five dims of one", "none along 0", "without dim 0"):
        args = build()
        for key, i in places(args):
            other = dict(shapes(tensors([args[key]])[i])).get(name)
            if other is not None:
                args = replaced(args, key, i, other)
        yield args
    for key, value in first.items():
        for other in numbers(value):
            yield {**build(), key: other}
    for name in scalars(op, first):
        for other in EXTREMES:
            yield {**build(), name: other}


def tried(call):
    """What a call gives; nothing where it is refused."""
    try:
        return tensors(call())
    except REFUSALS:
        return []


def with_gradients(args):
    def one(v):
        if isinstance(v, list):
            return [one(x) for x in v]
        if isinstance(v, torch.Tensor) and (v.is_floating_point() or v.is_complex()):
            return v.detach().clone().requires_grad_()
        return v
    return {k: one(v) for k, v in args.items()}


def attempt(op, args):
    """The call, and the derivative of what it gives."""
    tried(lambda: op.call(args))
    for y in tried(lambda: op.call(with_gradients(args))):
        if y.requires_grad:
            tried(lambda y=y: y.backward(torch.ones_like(y), retain_graph=True))


@pytest.fixture
def little_memory():
    _C._set_memory_limit(64 << 20)
    yield
    _C._set_memory_limit(0)


@pytest.mark.parametrize("op", OPERATORS, ids=str)
def test_misfits(op, little_memory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for sample in op.samples():
            for build in samples_of(op, sample):
                for args in variants(op, build):
                    attempt(op, args)
