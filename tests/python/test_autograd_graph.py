"""autograd.graph: hooks of saved tensors, of several gradients; nodes and their types."""
import gc

import pytest

import flambeau as torch
from flambeau.autograd.graph import (
    GradientEdge,
    Node,
    allow_mutation_on_saved_tensors,
    disable_saved_tensors_hooks,
    get_gradient_edge,
    increment_version,
    register_multi_grad_hook,
    save_on_cpu,
    saved_tensors_hooks,
)


class Store:
    """Keeps what is saved as nested lists."""

    def __init__(self):
        self.packed = self.unpacked = 0

    def __enter__(self):
        self.context = saved_tensors_hooks(self.pack, self.unpack)
        self.context.__enter__()
        return self

    def __exit__(self, *exc):
        self.context.__exit__(*exc)

    def pack(self, t):
        assert not torch.is_grad_enabled()
        self.packed += 1
        return t.detach().tolist(), t.dtype

    def unpack(self, saved):
        self.unpacked += 1
        return torch.tensor(saved[0], dtype=saved[1])


def test_what_is_saved_goes_through_the_hooks():
    w = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    with Store() as store:
        y = (w * w).exp().sum()
    assert store.packed == 3 and store.unpacked == 0
    want = torch.autograd.grad((w * w).exp().sum(), w)[0]
    got = torch.autograd.grad(y, w, retain_graph=True)[0]
    assert torch.equal(got, want) and store.unpacked == 3
    assert torch.equal(torch.autograd.grad(y, w)[0], want) and store.unpacked == 6
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()


def test_second_derivatives_through_the_hooks():
    x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    m = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64, requires_grad=True)

    def f(x, m):
        return ((m @ (x * 2).sin()).exp() * x).sum()

    with Store():
        y = f(x, m)
    got = torch.autograd.grad(y, (x, m), create_graph=True)
    want = torch.autograd.grad(f(x, m), (x, m), create_graph=True)
    for g, h in zip(got, want):
        assert torch.allclose(g, h)
        for a, b in zip(
            torch.autograd.grad(g.sum(), (x, m), retain_graph=True),
            torch.autograd.grad(h.sum(), (x, m), retain_graph=True),
        ):
            assert torch.allclose(a, b)


def test_lists_and_writes_in_place():
    a = torch.tensor([1.0, 2.0], requires_grad=True)
    with Store() as store:
        y = torch.einsum("i,i->i", a, torch.stack([a, a])[0])
        z = (a + 0).exp_().mul_(a)
        z.sigmoid_()
    (y.sum() + z.sum()).backward()
    assert store.packed == store.unpacked
    b = a.detach().requires_grad_()
    ((b * b).sum() + torch.sigmoid(b.exp() * b).sum()).backward()
    assert torch.allclose(a.grad, b.grad)


def test_functions_of_the_program():
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x * x
            ctx.save_for_backward(x, y)
            return y

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return 2 * g * x + 0 * y

    x = torch.tensor([3.0], requires_grad=True)
    with Store() as store:
        y = Square.apply(x)
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    assert g.tolist() == [6.0] and torch.autograd.grad(g, x)[0].tolist() == [2.0]
    assert store.packed == 2 and store.unpacked >= 2


def test_the_innermost_counts():
    x = torch.ones(2, requires_grad=True)
    with Store() as outer:
        with Store() as inner:
            x.exp()
        x.exp()
    x.exp()
    assert (outer.packed, inner.packed) == (1, 1)


def test_mistakes_in_hooks():
    x = torch.ones(2, requires_grad=True)

    def fail(t):
        raise KeyError("full")

    with pytest.raises(KeyError, match="full"), saved_tensors_hooks(fail, fail):
        x.exp()
    with pytest.raises(RuntimeError, match="modifying its input in place"):
        with saved_tensors_hooks(lambda t: t.mul_(2), lambda t: t):
            (x * 1).exp()
    with saved_tensors_hooks(lambda t: 5, lambda t: t):
        y = x.exp()
    with pytest.raises(TypeError, match="expected to be a Tensor but got result of type int"):
        y.sum().backward()
    with saved_tensors_hooks(lambda t: t, fail):
        y = x.exp()
    with pytest.raises(KeyError, match="full"):
        y.sum().backward()
    with saved_tensors_hooks(lambda t: t, lambda t: t[:1]):
        y = x.exp()
    assert y.shape == (2,)


def test_hooks_can_be_forbidden():
    with disable_saved_tensors_hooks("not here"):
        with pytest.raises(RuntimeError, match="not here"):
            with saved_tensors_hooks(lambda t: t, lambda t: t):
                pass
        with disable_saved_tensors_hooks("nor here"), pytest.raises(RuntimeError, match="nor here"):
            with save_on_cpu():
                pass
    with save_on_cpu(pin_memory=True):
        x = torch.ones(2, requires_grad=True)
        y = x.exp().sum()
    y.backward()
    assert x.grad.tolist() == pytest.approx([2.718281, 2.718281], rel=1e-6)


def test_written_although_saved():
    x = torch.ones(2, requires_grad=True)
    with allow_mutation_on_saved_tensors():
        y = x.clone()
        z = y * y
        y.mul_(5)
        z.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_what_was_packed_is_dropped():
    class Token:
        pass

    alive = []

    def pack(t):
        token = Token()
        token.t = t
        import weakref

        alive.append(weakref.ref(token))
        return token

    x = torch.ones(2, requires_grad=True)
    with saved_tensors_hooks(pack, lambda token: token.t):
        y = x.exp() * x
    assert all(ref() is not None for ref in alive) and len(alive) == 3
    y.sum().backward()
    gc.collect()
    assert all(ref() is None for ref in alive)


def test_a_hook_for_several_gradients():
    a, b, c = (torch.tensor(v, requires_grad=True) for v in (1.0, 2.0, 3.0))
    d = b * 2
    calls = []
    handle = register_multi_grad_hook((a, d, c), lambda grads: calls.append(grads))
    (a * d).backward(retain_graph=True)
    assert [None if g is None else g.item() for g in calls.pop()] == [4.0, 1.0, None]
    (a * d + c).backward()
    assert [g.item() for g in calls.pop()] == [4.0, 1.0, 1.0] and not calls
    handle.remove()
    (a * 2).backward()
    assert not calls
    with register_multi_grad_hook((a, c), calls.append, mode="any"):
        (a * c).backward()
        (a * c).backward()
    assert len(calls) == 2
    with pytest.raises(ValueError, match="Expects mode to be one of"):
        register_multi_grad_hook((a,), print, mode="some")


def test_nodes_have_types_of_their_own():
    x = torch.ones(2, requires_grad=True)
    y = x * x.exp()
    kind = type(y.grad_fn)
    assert kind.__name__ == "MulBackward0" and kind is type((x * x).grad_fn)
    assert kind is not type(x.exp().grad_fn)
    assert isinstance(y.grad_fn, Node) and isinstance(y.grad_fn, torch._C._Node)
    leaf = y.grad_fn.next_functions[0][0]
    assert type(leaf).__name__ == "AccumulateGrad" and leaf.variable is x
    with pytest.raises(TypeError):
        kind()


def test_what_a_node_has_saved():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    z = y.exp()
    assert torch.equal((x * y).grad_fn._saved_self, x)
    assert (x * y).grad_fn._saved_other.grad_fn is y.grad_fn
    assert torch.equal(z.grad_fn._saved_result, z) and z.grad_fn._saved_result.grad_fn is z.grad_fn
    with pytest.raises(AttributeError, match="_saved_other"):
        z.grad_fn._saved_other
    z.sum().backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        z.grad_fn._saved_result


def test_edges_and_versions():
    x = torch.ones(2, requires_grad=True)
    y = x.exp()
    edge = get_gradient_edge(y)
    assert isinstance(edge, GradientEdge) and edge.node is y.grad_fn and edge.output_nr == 0
    assert get_gradient_edge(x).node.variable is x
    with pytest.raises(RuntimeError, match="does not require gradients"):
        get_gradient_edge(torch.ones(1))
    version = y._version
    increment_version(y)
    increment_version([y, y])
    assert y._version == version + 3
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_nodes_show_the_numbers_that_they_were_called_with():
    x = torch.ones(2, 3, requires_grad=True)
    assert (x**2).grad_fn._saved_exponent == 2
    assert x.sum([0, 1], keepdim=True).grad_fn._saved_dim == (0, 1)
    assert torch.softmax(x, 1).grad_fn._saved_dim == 1
    with pytest.raises(AttributeError):
        x.exp().grad_fn._saved_frob
