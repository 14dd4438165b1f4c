"""The n-th allocation fails, for each n, in a sample call of each operator and in its backward: that is
an OutOfMemoryError, or the right values; nothing stays behind, and the next call works."""

import gc
import warnings

import pytest

import flambeau as torch
from flambeau import _C
from flambeau.autograd import grad
from samples import tensors
from test_table import OPERATORS, asked, differentiables, is_drawn, same

MOST = 400  # allocations of a call: all of them, for nearly every operator


def allocated():
    return torch.memory_stats()["allocated"]


def alike(a, b):
    """The same, or nearly: LAPACK's ways depend on how its memory is aligned."""
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, torch.Tensor) and a.is_floating_point():
        return a.shape == b.shape and torch.allclose(a, b, 1e-9, 1e-9, equal_nan=True)
    return same(a, b)


def walk(call, values):
    """Lets each allocation of call() fail in turn; values(y) are its results' when it works."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values(call())  # what is made once stays: code, tables
        want = values(call())
        n = worked = 0
        while worked < 3 and n < MOST:
            before = allocated()
            _C._memory_fail_nth(n)
            try:
                y = call()
                failed = None
            except (MemoryError, torch.OutOfMemoryError) as error:
                failed = str(error)
            finally:
                _C._memory_fail_nth(-1)
            if failed is None:
                worked += 1
                assert values(y) is None or alike(values(y), want), n
                del y
            else:
                worked = 0
            if allocated() > before:
                gc.collect()
            assert allocated() <= before, (n, failed)
            n += 1


@pytest.mark.parametrize("op", OPERATORS, ids=str)
def test_call(op):
    for sample in op.samples():
        args = sample.build
        walk(lambda: op.call(args()), lambda y: None if is_drawn(op) else y)


@pytest.mark.parametrize("op", OPERATORS, ids=str)
def test_backward(op):
    for _, f in differentiables(op):
        leaves, results = asked(op, f)
        if not results:
            continue

        def call():
            results = [y for y in f(*leaves) if y.requires_grad]
            return grad(results, leaves, [torch.ones_like(y) for y in results], allow_unused=True)

        del results
        try:
            call()
        except RuntimeError:  # its derivative is missing
            continue
        walk(call, lambda y: None if is_drawn(op) else list(y))
