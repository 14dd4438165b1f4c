"""nn.Module's calls and their hooks.

Every expectation here is PyTorch's behaviour: with `flambeau` replaced by `torch`, here and in
nets.py, the file passes as it is.
"""
import gc
import types

import pytest

import flambeau as torch
from nets import Net, Scaled

nn = torch.nn


def test_call_forms():
    class Sum(nn.Module):
        def forward(self, *args, **kwargs):
            return args, kwargs
    m = Sum()
    for n in range(7):
        assert m(*range(n)) == (tuple(range(n)), {})
    assert m(1, x=2) == ((1,), {"x": 2}) and m(x=1) == ((), {"x": 1})
    m.forward = types.MethodType(lambda self, x: (self, x), m)
    assert m(3) == (m, 3)

    class Static(nn.Module):
        @staticmethod
        def forward(x):
            return x + 1
    assert Static()(1) == 2
    with pytest.raises(
        NotImplementedError, match=r'Module \[Module\] is missing the required "forward" function'
    ):
        nn.Module()(1)
    with pytest.raises(TypeError):
        nn.Identity()(1, 2)


def test_own_call():
    class Twice(Scaled):
        def __call__(self, x):
            return super().__call__(super().__call__(x))
    m = Twice()
    m.w.data.fill_(3)
    assert m(torch.ones(2)).tolist() == [9, 9]


def test_forward_hooks():
    m, calls = Scaled(), []
    x = torch.ones(2)
    first = m.register_forward_hook(
        lambda mod, args, out: calls.append(("f", mod is m, args[0] is x))
    )
    second = m.register_forward_pre_hook(lambda mod, args: calls.append(("p", len(args))))
    m(x)
    assert calls == [("p", 1), ("f", True, True)]
    first.remove()
    second.remove()
    m(x)
    assert len(calls) == 2 and not m._forward_hooks and not m._forward_pre_hooks
    with m.register_forward_hook(lambda mod, args, out: out + 1):
        assert m(x).tolist() == [2, 2]
    assert m(x).tolist() == [1, 1]
    with m.register_forward_pre_hook(lambda mod, args: args[0] * 5):
        assert m(x).tolist() == [5, 5]


def test_hooks_with_kwargs_and_order():
    net, order = Net(), []

    def pre(mod, args, kwargs):
        order.append("pre")
        return args, {"gain": 0.0}

    def post(mod, args, kwargs, out):
        order.append(("post", kwargs))
    net.register_forward_pre_hook(pre, with_kwargs=True)
    net.register_forward_pre_hook(lambda mod, args: order.append("first"), prepend=True)
    net.register_forward_hook(post, with_kwargs=True)
    net.register_forward_hook(lambda mod, args, out: order.append("early"), prepend=True)
    assert net(torch.ones(1, 2), gain=2.0).abs().sum().item() == 0
    assert order == ["first", "pre", "early", ("post", {"gain": 0.0})]
    net.register_forward_pre_hook(lambda mod, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match="forward pre-hook must return None or a tuple"):
        net(torch.ones(1, 2))


def test_always_called():
    class Fails(nn.Module):
        def forward(self, x):
            raise ValueError("forward fails")
    m, calls = Fails(), []
    m.register_forward_hook(lambda mod, args, out: calls.append(out), always_call=True)
    m.register_forward_hook(lambda mod, args, out: calls.append("never"))
    with pytest.raises(ValueError, match="forward fails"):
        m(1)
    assert calls == [None]

    def also_fails(mod, args, out):
        raise RuntimeError("and the hook")
    m.register_forward_hook(also_fails, always_call=True)
    with pytest.raises(ValueError), pytest.warns(UserWarning, match="and the hook"):
        m(1)


def test_hooks_of_all_modules():
    register, seen = nn.modules.module, []
    handles = [
        register.register_module_forward_pre_hook(
            lambda m, args: seen.append(("pre", type(m).__name__))
        ),
        register.register_module_forward_hook(
            lambda m, args, out: seen.append(("post", type(m).__name__))
        ),
    ]
    try:
        nn.Sequential(nn.ReLU())(torch.ones(1))
    finally:
        for handle in handles:
            handle.remove()
    assert seen == [
        ("pre", "Sequential"),
        ("pre", "ReLU"),
        ("post", "ReLU"),
        ("post", "Sequential"),
    ]
    nn.ReLU()(torch.ones(1))
    assert len(seen) == 4


def test_full_backward_hooks():
    m, seen = Scaled(), []
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    m.register_full_backward_hook(lambda mod, gi, go: seen.append((gi[0].tolist(), go[0].tolist())))
    m.register_full_backward_pre_hook(lambda mod, go: (go[0] * 10,))
    m(x).sum().backward()
    assert seen == [([10, 10], [10, 10])]
    assert x.grad.tolist() == [10, 10] and m.w.grad.tolist() == [20, 30]
    x.grad = None
    handle = m.register_full_backward_hook(lambda mod, gi, go: (gi[0] * 0,), prepend=True)
    m(x).sum().backward()
    assert x.grad.tolist() == [0, 0]
    handle.remove()
    with pytest.raises(
        RuntimeError, match="Cannot use both regular backward hooks and full backward hooks"
    ):
        m.register_backward_hook(lambda mod, gi, go: None)


def test_full_backward_hook_without_input_gradient():
    m, seen = Scaled(), []
    m.register_full_backward_hook(lambda mod, gi, go: seen.append((gi, go[0].tolist())))
    with pytest.warns(UserWarning, match="no inputs require gradients"):
        m(torch.ones(2)).sum().backward()
    assert seen == [((None,), [1, 1])]
    with torch.no_grad():
        m(torch.ones(2))


def test_hooks_survive_their_handles():
    m = Scaled()
    handle = m.register_forward_hook(lambda mod, args, out: None)
    del handle
    assert len(m._forward_hooks) == 1
    handle = m.register_forward_hook(lambda mod, args, out: None)
    del m
    gc.collect()
    handle.remove()


def test_a_refused_write_names_the_function_of_the_hook():
    relu = nn.ReLU(inplace=True)
    relu.register_full_backward_hook(lambda module, grad_input, grad_output: None)
    with pytest.raises(RuntimeError, match="^Output 0 of BackwardHookFunction is a view and is"):
        relu(torch.ones(1, 1, requires_grad=True) * 1)
