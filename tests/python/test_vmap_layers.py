"""vmap over convolutions, pooling and normalisation: all samples in one call, and what a loop over
the samples gives."""
import copy
import warnings

import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau import nn
from flambeau.func import functional_call, grad, stack_module_state, vmap

torch.manual_seed(0)
X = torch.randn(5, 2, 4, 6, 7)
W, WS = torch.randn(6, 4, 3, 3), torch.randn(5, 6, 4, 3, 3)
B, BS = torch.randn(6), torch.randn(5, 6)
V, VS = torch.randn(4), torch.randn(5, 4)


def square(f, which=0):
    return grad(lambda *args: f(*args).pow(3).sum(), which)


CASES = {
    'images': (lambda x: F.conv2d(x, W, B, padding=1, stride=2), X),
    'filters': (lambda w: F.conv2d(X[0], w, B), WS),
    'both': (lambda x, w, b: F.conv2d(x, w, b, dilation=2), X, WS, BS),
    'biases': (lambda x, b: F.conv2d(x, W, b), X, BS),
    'groups': (lambda x, w: F.conv2d(x, w, groups=2), X, torch.randn(5, 6, 2, 3, 3)),
    'one dim': (lambda x, w: F.conv1d(x, w), torch.randn(5, 2, 4, 9), torch.randn(5, 3, 4, 3)),
    'three dims': (lambda x, w: F.conv3d(x, w), torch.randn(5, 1, 2, 4, 4, 4),
                   torch.randn(5, 3, 2, 2, 2, 2)),
    'transposed': (lambda x, w: F.conv_transpose2d(x, w, stride=2), X,
                   torch.randn(5, 4, 3, 3, 3)),
    'filter gradients': (square(lambda x, w: F.conv2d(x, w), (0, 1)), X, WS),
    'per-sample gradients': (lambda x: square(lambda w: F.conv2d(x, w, B))(W), X),
    'nested': (lambda x, w: vmap(lambda q: F.conv2d(q[None], w))(x), X, WS),
    'max_pool': (square(lambda x: F.max_pool2d(x, 2)), X),
    'avg_pool': (square(lambda x: F.avg_pool2d(x, 2, padding=1)), X),
    'adaptive_avg': (square(lambda x: F.adaptive_avg_pool2d(x, 3)), X),
    'adaptive_max': (square(lambda x: F.adaptive_max_pool2d(x, 3)), X),
    'batch_norm': (lambda x, w, b: F.batch_norm(x, None, None, w, b, True), X, VS, VS),
    'batch_norm gradients': (
        square(lambda x, w: F.batch_norm(x, None, None, w, None, True), (0, 1)), X, VS),
    'batch_norm eval': (lambda x, m, v: F.batch_norm(x, m, v), X, VS, VS.abs()),
    'group_norm': (square(lambda x: F.group_norm(x, 2, V)), X),
    'layer_norm': (square(lambda x, w: F.layer_norm(x, (7,), w), (0, 1)), X, torch.randn(5, 7)),
}


@pytest.mark.parametrize('name', CASES)
def test_like_a_loop(name):
    f, *args = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter('error')  # no call falls back to a loop
        got = vmap(f)(*args)
    expected = [f(*(a[i] for a in args)) for i in range(5)]
    for g, e in zip(*((got, zip(*expected)) if isinstance(got, tuple) else ((got,), [expected]))):
        torch.testing.assert_close(g, torch.stack(list(e)), rtol=1e-4, atol=2e-3)


def test_samples_in_another_dim():
    got = vmap(lambda x: F.conv2d(x, W), in_dims=2)(X.movedim(0, 2).contiguous())
    torch.testing.assert_close(got, torch.stack([F.conv2d(x, W) for x in X]))


def test_ensemble_with_running_statistics():
    norm = nn.BatchNorm2d(4)
    members = [copy.deepcopy(norm) for _ in range(5)]
    parameters, buffers = stack_module_state(members)
    y = vmap(lambda p, b, x: functional_call(norm, (p, b), (x,)))(parameters, buffers, X)
    for i, member in enumerate(members):
        torch.testing.assert_close(y[i], member(X[i]))
        torch.testing.assert_close(buffers['running_mean'][i], member.running_mean)
        torch.testing.assert_close(buffers['running_var'][i], member.running_var)


def test_derived_twice():
    w = W.clone().requires_grad_()
    y = vmap(lambda x: F.conv2d(x, w).pow(2).sum())(X)
    first, = torch.autograd.grad(y.sum(), w, create_graph=True)
    first.pow(2).sum().backward()
    v = W.clone().requires_grad_()
    second, = torch.autograd.grad(F.conv2d(X.flatten(0, 1), v).pow(2).sum(), v, create_graph=True)
    second.pow(2).sum().backward()
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(w.grad, v.grad, rtol=1e-3, atol=1.0)


def test_no_samples_to_fold():
    x, weight = torch.zeros(0, 1, 1, 4, 4), torch.ones(1, 1, 2, 2, requires_grad=True)
    for call in (lambda x: torch.nn.functional.max_pool2d(x, 2),
                 lambda x: torch.nn.functional.conv2d(x, weight)):
        with pytest.raises(RuntimeError, match="vmap: .*2d cannot be run over no samples"):
            torch.vmap(call)(x)
