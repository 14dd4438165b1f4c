"""Walks the operator table: forward mode against reverse mode, for every differentiable operator on
its samples, in float64."""
import re

import flambeau as torch
from flambeau.func import jvp, vjp
from known import TRANSFORM_FAULTS
from test_table import OPERATORS, close, differentiables, every


def weights_like(tensors, low, high):
    return tuple(torch.linspace(low, high, t.numel(), dtype=t.dtype).reshape(t.shape)
                 for t in tensors)


def dot(a, b):
    return sum((x * y).sum() for x, y in zip(a, b))


def moving(sample, f):
    """The sample's differentiable tensors without history."""
    return tuple(t.detach() for t in f.leaves())


@every(faults=TRANSFORM_FAULTS)
def test_forward_mode(op):
    """v . (J t) is (v J) . t, also where the function writes in place."""
    for sample, f in differentiables(op):
        inputs = moving(sample, f)
        if not f(*inputs):
            continue
        t = weights_like(inputs, -0.7, 1.3)
        try:
            y, moved = jvp(f, inputs, t)
            expected, back = vjp(f, *inputs)
            v = weights_like(y, 0.5, 1.5)
            found = back(v)
        except (RuntimeError, NotImplementedError) as missing:
            assert re.search("is not implemented|not been implemented", str(missing)), sample
            continue
        for a, b, d in zip(y, expected, moved):
            assert close(a, b, 1e-13) and a.shape == d.shape and a.dtype == d.dtype, sample
        assert close(dot(v, moved), dot(found, t), 1e-9), (sample, moved, found)


@every(faults=TRANSFORM_FAULTS)
def test_forward_over_reverse(op):
    """The gradient's change along t is the same by two backward passes."""
    for sample, f in differentiables(op):
        inputs = moving(sample, f)
        if not f(*inputs):
            continue
        t = weights_like(inputs, -0.7, 1.3)

        def gradient(*x):
            y, back = vjp(f, *x)
            return back(weights_like(y, 0.5, 1.5))

        try:
            first, moved = jvp(gradient, inputs, t)
            again = vjp(gradient, *inputs)[1](t)  # second derivatives are symmetric
        except (RuntimeError, NotImplementedError) as missing:
            assert re.search("is not implemented|not been implemented", str(missing)), sample
            continue
        for a, b in zip(moved, again):
            assert close(a, b, 1e-8), (sample, a, b)


def test_the_whole_table_is_walked_by_transforms():
    names = {op.name for op in OPERATORS}
    for check, faults in TRANSFORM_FAULTS.items():
        assert check in globals() and set(faults) <= names
