"""A tensor that only C still holds comes back as the object that it was."""

import gc
import weakref

import pytest

import flambeau as torch
from flambeau import nn


class Named(torch.Tensor):
    pass


def accumulate_node(y):
    return y.grad_fn.next_functions[0][0]


def test_a_parameter_comes_back_from_the_graph():
    p = nn.Parameter(torch.ones(2))
    p.note, address = ["kept"], id(p)
    calls = []
    p.register_hook(lambda g: calls.append(g.tolist()))
    y = p * 2
    del p
    gc.collect()
    for _ in range(3):  # as often as one likes
        back = accumulate_node(y).variable
        assert type(back) is nn.Parameter and id(back) == address and back.note == ["kept"]
        del back
    y.sum().backward()
    assert calls == [[2, 2]]
    assert accumulate_node(y).variable.grad.tolist() == [2, 2]


def test_attributes_of_a_gradient_stay():
    p = torch.ones(2, requires_grad=True)
    p.sum().backward()
    p.grad.note = 7
    gc.collect()
    assert p.grad.note == 7 and p.grad is p.grad


def test_a_saved_tensor_comes_back():
    class Keeps(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.sum()

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            seen.append((type(x), x.note))
            return g.expand(2)

    seen = []
    x = torch.ones(2).as_subclass(Named).requires_grad_()
    x.note = "mine"
    y = Keeps.apply(x)
    del x
    gc.collect()
    y.backward()
    assert seen == [(Named, "mine")]


def test_a_weak_reference_stays_while_c_holds_the_tensor():
    x = torch.ones(2, requires_grad=True)
    x.note = 1
    y = x * 2
    weak = weakref.ref(x)
    del x
    assert weak() is not None and weak().note == 1
    del y
    gc.collect()
    assert weak() is None


def test_an_object_found_by_a_weak_reference_outlives_the_graph():
    x = torch.ones(2, requires_grad=True)
    x.note = 1
    y, weak = x * 2, weakref.ref(x)
    del x
    found = weak()
    del y
    gc.collect()
    assert found.tolist() == [1, 1] and found.note == 1 and (found * 2).requires_grad
    del found
    assert weak() is None


def test_objects_are_used_again_after_they_were_kept():
    for _ in range(20):
        x = torch.ones(2, requires_grad=True)
        x.note = 1
        y = x * 2
        del x, y
    tensors = [torch.full((1,), float(i)) for i in range(600)]
    assert [t.view(1).item() for t in tensors] == list(range(600))
    assert all(t.detach_() is t for t in tensors)


@pytest.mark.parametrize("make", [nn.Parameter, lambda t: t.as_subclass(Named).requires_grad_()])
def test_what_is_kept_goes_with_the_last_holder(make):
    class Probe:
        pass

    probe = Probe()
    gone = weakref.ref(probe)
    x = make(torch.ones(2))
    x.probe = probe
    y = x * 2
    del x, probe
    gc.collect()
    assert gone() is not None
    del y
    gc.collect()
    assert gone() is None


def test_a_kept_object_in_a_cycle_is_collected_once_it_is_free():
    class Probe:
        pass

    x, probe = nn.Parameter(torch.ones(2)), Probe()
    gone = weakref.ref(probe)
    x.probe, probe.x = probe, x
    y = x * 2
    del y, x, probe
    gc.collect()
    assert gone() is None
