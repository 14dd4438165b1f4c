"""Cycles of Python objects through the graph are collected; a hook may wait for another thread's
backward; a sub-interpreter is refused."""

import gc
import subprocess
import sys
import threading
import weakref

import pytest

import flambeau as torch
from flambeau import nn


class Mark:
    """Something whose end can be seen."""


def leaf_hook():
    x, mark = torch.ones(3, requires_grad=True), Mark()
    x.register_hook(lambda g: (x, mark))
    return mark


def leaf_hook_after():
    x, mark = torch.ones(3, requires_grad=True), Mark()
    x.register_post_accumulate_grad_hook(lambda p: (x, mark) and None)
    (x * 2).sum().backward()
    return mark


def hook_of_a_result():
    x, mark = torch.ones(3, requires_grad=True), Mark()
    y = x * 2
    y.register_hook(lambda g: (y, mark) and None)
    y.sum().backward()
    return mark


def hook_of_a_node():
    y, mark = torch.ones(3, requires_grad=True) * 2, Mark()
    y.grad_fn.register_hook(lambda before, after: (y, mark) and None)
    return mark


def hook_that_refers_to_its_node():
    y, mark = torch.ones(3, requires_grad=True) * 2, Mark()
    node = y.grad_fn
    node.register_prehook(lambda after: (node, mark) and None)
    return mark


def metadata_of_a_node():
    y, mark = torch.ones(3, requires_grad=True) * 2, Mark()
    node = y.grad_fn
    node.metadata["node"] = (node, mark)
    return mark


def weight_hook_of_a_module():
    module, mark = nn.Linear(2, 2), Mark()
    module.weight.register_hook(lambda g: (module, mark) and None)
    module(torch.ones(1, 2)).sum().backward()
    return mark


class Keeps(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g * 2


def context_that_keeps_its_result():
    mark = Mark()
    y = Keeps.apply(torch.ones(3, requires_grad=True))
    y.grad_fn.result, y.grad_fn.mark = y, mark
    return mark


def attribute():
    x, mark = torch.ones(3), Mark()
    x.self, x.mark = x, mark
    return mark


class KeepsWithin(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.result = x * 2
        return ctx.result

    backward = Keeps.backward


def context_that_keeps_what_forward_returns():
    mark = Mark()
    KeepsWithin.apply(torch.ones(3, requires_grad=True)).grad_fn.mark = mark
    return mark


def attribute_that_shows_the_memory():
    pytest.importorskip("numpy")
    x, mark = torch.ones(3), Mark()
    x.shown, x.mark = x.numpy(), mark
    return mark


@pytest.mark.parametrize(
    "make",
    [
        leaf_hook,
        leaf_hook_after,
        hook_of_a_result,
        hook_of_a_node,
        hook_that_refers_to_its_node,
        metadata_of_a_node,
        weight_hook_of_a_module,
        context_that_keeps_its_result,
        context_that_keeps_what_forward_returns,
        attribute,
        attribute_that_shows_the_memory,
    ],
)
def test_a_cycle_is_collected(make):
    gc.collect()
    marks = [weakref.ref(make()) for _ in range(20)]
    gc.collect()
    assert not any(ref() for ref in marks)


def test_what_is_in_use_is_not_collected():
    x = torch.ones(3, requires_grad=True)
    seen = []

    def result():
        y = x * 2
        y.register_hook(lambda g: seen.append((y.tolist(), g.tolist())))
        gc.collect()
        return y.sum()

    z = result()
    gc.collect()
    z.backward()
    assert seen == [([2, 2, 2], [1, 1, 1])]


def in_another_thread(work):
    done = []
    thread = threading.Thread(target=lambda: done.append(work()))
    thread.start()
    thread.join(20)
    return done


def derive():
    w = torch.ones(3, requires_grad=True)
    (w * w).sum().backward()
    return w.grad.tolist()


def test_a_hook_waits_for_another_backward():
    x, seen = torch.ones(3, requires_grad=True), []
    y = x * 3
    y.register_hook(lambda g: seen.append(in_another_thread(derive)))
    y.sum().backward()
    assert seen == [[[2, 2, 2]]] and x.grad.tolist() == [3, 3, 3]


def test_a_function_waits_for_another_backward_of_the_same_graph():
    x = torch.ones(3, requires_grad=True)
    shared = x * 5
    seen = []

    class Waits(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            seen.extend(in_another_thread(lambda: shared.sum().backward(retain_graph=True) or 1))
            return g * 2

    Waits.apply(shared).sum().backward()
    assert seen == [1] and x.grad.tolist() == [15, 15, 15]


def test_a_sub_interpreter_is_refused():
    code = """
import _xxsubinterpreters as interpreters, sys
import flambeau
one = interpreters.create()
interpreters.run_string(one, '''
import sys
sys.path[:] = {path!r}
try:
    import flambeau
    print("imported")
except ImportError as error:
    print(str(error).splitlines()[0])
'''.format(path=sys.path))
"""
    if sys.version_info >= (3, 13):
        pytest.skip("the module has another name there")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    if "No module named" in done.stderr:
        pytest.skip("this Python has no sub-interpreters")
    assert "main interpreter only" in done.stdout or "subinterpreters" in done.stdout, done
