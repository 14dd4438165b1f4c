"""Walks the operator table: forward mode against reverse mode, and vmap against a loop, for every
differentiable operator on its samples, in float64."""
import re

import flambeau as torch
from flambeau.func import jvp, vjp, vmap
from known import TRANSFORM_FAULTS
from samples import tensors
from test_table import OPERATORS, Differentiable, close, differentiables, every, is_drawn


def weights_like(tensors, low, high):
    return tuple(weights(t, low, high) for t in tensors)


def weights(t, low, high):
    real = torch.linspace(low, high, t.numel(), dtype=t.dtype.to_real()).reshape(t.shape)
    return torch.complex(real, 1 - real * real) if t.is_complex() else real


def dot(a, b):
    """The product of the parts."""
    return sum((x.conj() * y).real.sum() for x, y in zip(a, b))


def moving(sample, f):
    """The sample's differentiable tensors without history."""
    return tuple(t.detach() for t in f.leaves())


@every(faults=TRANSFORM_FAULTS)
def test_forward_mode(op):
    """v . (J t) is (v J) . t, also where the function writes in place."""
    for sample, f in differentiables(op):
        check_forward_mode(sample, f)


def check_forward_mode(sample, f):
    inputs = moving(sample, f)
    if not f(*inputs):
        return
    t = weights_like(inputs, -0.7, 1.3)
    try:
        y, moved = jvp(f, inputs, t)
        expected, back = vjp(f, *inputs)
        v = weights_like(y, 0.5, 1.5)
        found = back(v)
    except (RuntimeError, NotImplementedError) as missing:
        assert re.search("is not implemented|not been implemented", str(missing)), sample
        return
    for a, b, d in zip(y, expected, moved):
        assert close(a, b, 1e-13) and a.shape == d.shape and a.dtype == d.dtype, sample
    assert close(dot(v, moved), dot(found, t), 1e-9), (sample, moved, found)


@every(lambda op: "complex" in op.accepts and op.kind != "view" and not is_drawn(op),
       faults=TRANSFORM_FAULTS)
def test_complex_forward_mode(op):
    """The same of complex tensors, by their parts."""
    for sample in op.samples():
        f = Differentiable(op, sample, dtype=torch.complex128)
        try:
            tried = f.places and f(*moving(sample, f))
        except NotImplementedError:
            continue
        if tried:
            check_forward_mode(sample, f)


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


def batch_of(t):
    """Three tensors that differ a little, stacked."""
    return torch.stack([t * (1 - 0.04 * i) for i in range(3)])


def some_batched(inputs):
    """in_dims for a batch of all inputs, and of each alone."""
    yield (0,) * len(inputs)
    for i in range(len(inputs) if len(inputs) > 1 else 0):
        yield tuple(0 if k == i else None for k in range(len(inputs)))


def samples_of(inputs, batches, in_dims, k):
    return tuple(b[k].clone() if d == 0 else x for x, b, d in zip(inputs, batches, in_dims))


@every(lambda op: not is_drawn(op), faults=TRANSFORM_FAULTS)
def test_vmap(op):
    """A batch at once gives what its samples give one by one, and so do its gradients."""
    for sample, f in differentiables(op):
        inputs = moving(sample, f)
        results = f(*inputs)
        if not results:
            continue
        batches = tuple(batch_of(x) for x in inputs)

        def gradients(*x):
            y, back = vjp(f, *x)
            return y + back(weights_like(y, 0.5, 1.5))

        def total(*x):
            y = vmap(f, in_dims)(*x)
            pairs = zip(y, weights_like(y, 0.5, 1.5))
            return sum((t * w.conj()).real.sum() for t, w in pairs)

        for in_dims in some_batched(inputs):
            if op.writes and in_dims[0] is None:
                continue  # what differs between samples is not written into one tensor
            given = tuple(b if d == 0 else x for x, b, d in zip(inputs, batches, in_dims))
            loop = [samples_of(inputs, batches, in_dims, k) for k in range(3)]
            check_close(sample, vmap(f, in_dims)(*given), zip(*[f(*x) for x in loop]))
            try:
                one_by_one = [gradients(*x) for x in loop]
            except (RuntimeError, NotImplementedError) as missing:
                assert "is not implemented" in str(missing), sample
                continue
            check_close(sample, vmap(gradients, in_dims)(*given), zip(*one_by_one))
            leaves = [x.clone().requires_grad_() for x in given]
            total(*leaves).backward()
            y = [torch.stack(list(column)) for column in zip(*[f(*x) for x in loop])]
            w = weights_like(y, 0.5, 1.5)
            found = [vjp(f, *x)[1](tuple(v[k] for v in w)) for k, x in enumerate(loop)]
            for leaf, column, d in zip(leaves, zip(*found), in_dims):
                expected = torch.stack(list(column)) if d == 0 else sum(column)
                found_grad = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
                assert close(found_grad, expected, 1e-9), (sample, in_dims)


def varied(t, k):
    """The k-th of a batch of tensors that differ, of values that t has."""
    if t.is_floating_point():
        return t * (1 - 0.04 * k)
    return t.flip(list(range(t.dim()))) if k == 1 else t.clone()


@every(lambda op: not is_drawn(op))
def test_vmap_never_errs_silently(op):
    """Of tensors of any dtype: what the samples give one by one, or an error."""
    for sample in op.samples():
        args = sample.build()
        places = [(k, i) for k, v in args.items() for i, _ in enumerate(tensors([v]))]
        if not places:
            continue

        def call(*given):
            args = sample.build()
            for (key, i), t in zip(places, given):
                if isinstance(args[key], list):
                    kept = [j for j, v in enumerate(args[key]) if isinstance(v, torch.Tensor)]
                    args[key][kept[i]] = t
                else:
                    args[key] = t
            return tuple(tensors(op.call(args)))

        given = [tensors([args[key]])[i] for key, i in places]
        loop = [tuple(varied(t, k) for t in given) for k in range(3)]
        try:
            expected = [call(*(t.clone() for t in x)) for x in loop]
        except (RuntimeError, ValueError, IndexError):
            continue  # not a call any more
        try:
            found = vmap(call)(*(torch.stack(list(column)) for column in zip(*loop)))
        except (RuntimeError, ValueError, IndexError, TypeError, NotImplementedError):
            continue
        for a, column in zip(found, zip(*expected), strict=True):
            assert all(b.shape == column[0].shape for b in column), sample
            b = torch.stack(list(column))
            assert a.shape == b.shape and a.dtype == b.dtype, (sample, a.dtype, b.dtype)
            assert close(a, b, 1e-9) if a.dtype != torch.bool else bool((a == b).all()), sample


def check_close(sample, found, columns):
    for a, column in zip(found, columns, strict=True):
        b = torch.stack(list(column))
        assert a.shape == b.shape and a.dtype == b.dtype and close(a, b, 1e-9), (sample, a, b)


def test_the_whole_table_is_walked_by_transforms():
    names = {op.name for op in OPERATORS}
    for check, faults in TRANSFORM_FAULTS.items():
        assert check in globals() and set(faults) <= names
