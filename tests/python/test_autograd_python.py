"""The graph from Python: backward, hooks, nodes, Function, modes."""

import gc
import threading
import weakref

import pytest

import flambeau as torch
from flambeau.autograd import Function


def test_backward_and_grad():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    y.backward()
    assert x.grad.tolist() == [2, 4]
    (x * 3).backward(torch.tensor([1.0, 10.0]))
    assert x.grad.tolist() == [5, 34]
    (g,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    assert h.tolist() == [6, 12]
    x.grad = None
    (x * 2).sum().backward(inputs=[x])
    assert x.grad.tolist() == [2, 2]


@pytest.mark.parametrize(
    "code, message",
    [
        (
            "torch.ones(2, requires_grad=True).backward()",
            "grad can be implicitly created only for scalar outputs",
        ),
        (
            "torch.ones(2).sum().backward()",
            "element 0 of tensors does not require grad and does not have a grad_fn",
        ),
        (
            "x = torch.ones(2, requires_grad=True); y = (x * x).sum(); y.backward(); y.backward()",
            "Trying to backward through the graph a second time",
        ),
        (
            "x = torch.ones(2, requires_grad=True); (x * 2).backward(torch.ones(3))",
            "Mismatch in shape",
        ),
        ("x = torch.ones(2, requires_grad=True); x.add_(1)", "a leaf Variable that requires grad"),
        (
            "x = torch.ones(2, requires_grad=True); y = x.exp(); y.add_(1); y.sum().backward()",
            "has been modified by an inplace operation",
        ),
        (
            "x = torch.ones(2, requires_grad=True); (x * 1).requires_grad_(False)",
            "you can only change requires_grad flags",
        ),
        (
            "torch.ones(2, dtype=torch.int64).requires_grad_()",
            "only Tensors of floating point dtype can require gradients",
        ),
        ("torch.ones(2).retain_grad()", "can't retain_grad on Tensor that has requires_grad=False"),
        (
            "torch.ones(2).register_hook(print)",
            "cannot register a hook on a tensor that doesn't require gradient",
        ),
        (
            "torch.autograd.grad(torch.ones(1, requires_grad=True).sum(), torch.ones(1, requires_grad=True))",
            "appears to not have been used in the graph",
        ),
        (
            "x = torch.ones(2); x.grad = torch.ones(3)",
            "attempting to assign a gradient of size '[3]' to a tensor of size",
        ),
    ],
)
def test_errors(code, message):
    with pytest.raises(RuntimeError) as info:
        exec(code)
    assert message in str(info.value)


def test_assigning_grad():
    x = torch.ones(2, requires_grad=True)
    x.grad = torch.ones(2)
    assert x.grad.tolist() == [1, 1]
    del x.grad
    assert x.grad is None
    with pytest.raises(TypeError, match="assigned grad expected to be a Tensor or None"):
        x.grad = 3


def test_modes():
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        assert not torch.is_grad_enabled() and not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad
    with torch.inference_mode():
        y = x * 2
    assert y.is_inference() and not y.requires_grad
    assert not x.detach().requires_grad and x.detach().data_ptr() == x.data_ptr()
    z = x * 2
    z.detach_()
    assert z.is_leaf and not z.requires_grad


def test_grad_mode_belongs_to_the_thread():
    seen = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


# ---- Nodes and hooks -----------------------------------------------------------------------------------


def test_nodes():
    x = torch.ones(2, requires_grad=True)
    y = x * 2 + 1
    node = y.grad_fn
    assert node.name() == "AddBackward0" and y.grad_fn is node and "AddBackward0" in repr(node)
    (mul, place), *rest = node.next_functions
    assert mul.name() == "MulBackward0" and place == 0
    leaf = mul.next_functions[0][0]
    assert leaf.name() == "torch::autograd::AccumulateGrad" and leaf.variable is x
    node.metadata["key"] = 1
    assert y.grad_fn.metadata == {"key": 1}
    assert x.grad_fn is None and y.output_nr == 0


@pytest.mark.parametrize("call, name", [
    ("x.log1p()", "Log1P"),
    ("x @ x.t()", "Mm"),
    ("x @ x[0]", "Mv"),
    ("x[0] @ x[0]", "Dot"),
    ("batch @ x.t()", "UnsafeView"),
    ("F.linear(x, x, x[:, 0])", "Addmm"),
    ("F.linear(x, x)", "Mm"),
    ("F.linear(batch, x, x[:, 0])", "View"),
    ("F.linear(batch, x)", "UnsafeView"),
    ("torch.nn.Linear(3, 2)(x)", "Addmm"),
    ("torch.addmm(x, x, x.t())", "Addmm"),
    ("F.conv2d(image, image)", "Convolution"),
    ("torch.nn.BatchNorm2d(3)(image.expand(2, 3, 4, 4))", "NativeBatchNorm"),
    ("F.max_pool2d(image, 2)", "MaxPool2DWithIndices"),
    ("F.mse_loss(x, x.detach())", "MseLoss"),
    ("F.cross_entropy(x, torch.tensor([0, 1, 2]))", "NllLoss"),
    ("F.cross_entropy(image, torch.zeros(1, 4, 4, dtype=torch.int64))", "NllLoss2D"),
    ("F.binary_cross_entropy_with_logits(x, x.detach())", "BinaryCrossEntropyWithLogits"),
    ("x.var()", "Var"),
    ("x.split(1)[1]", "Split"),
    ("torch.stack([x, x])", "Stack"),
    ("x.double()", "ToCopy"),
    ("x.clamp(torch.zeros(3), torch.ones(3))", "Clamp"),
])
def test_names_of_nodes(call, name):
    """A node has the name that PyTorch 2.13 shows, though the operator be made of others there."""
    x = torch.rand(3, 3, requires_grad=True)
    batch, image = torch.rand(2, 3, 3), torch.rand(1, 3, 4, 4, requires_grad=True)
    y = eval(call, {"torch": torch, "F": torch.nn.functional, "x": x, "batch": batch,
                    "image": image})
    assert y.grad_fn.name() == name + "Backward0"


def test_a_composite_names_its_own_node_alone():
    x = torch.rand(2, requires_grad=True)
    y = x * 2
    assert torch.nn.functional.dropout(y, 0.5, False).grad_fn.name() == "MulBackward0"
    loss = torch.nn.functional.mse_loss(y, torch.zeros(2))
    assert y.grad_fn.name() == "MulBackward0" and loss.grad_fn.name() == "MseLossBackward0"
    loss.backward()
    assert torch.allclose(x.grad, 4 * x)


def test_tensor_hooks():
    x = torch.ones(2, requires_grad=True)
    seen = []
    first = x.register_hook(lambda g: seen.append(g.tolist()))
    second = x.register_hook(lambda g: g * 10)
    (x * 3).sum().backward()
    assert seen == [[3, 3]] and x.grad.tolist() == [30, 30]
    first.remove()
    first.remove()
    with second:
        pass
    (x * 3).sum().backward()
    assert len(seen) == 1 and x.grad.tolist() == [33, 33]
    y = x * 2
    y.register_hook(lambda g: -g)
    y.retain_grad()
    y.sum().backward()
    assert y.retains_grad and y.grad.tolist() == [-1, -1]


def test_hook_errors_travel():
    x = torch.ones(2, requires_grad=True)
    handle = x.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        (x * 2).sum().backward()
    handle.remove()
    x.register_hook(lambda g: "text")
    with pytest.raises(TypeError):
        (x * 2).sum().backward()
    y = torch.ones(2, requires_grad=True)
    y.register_hook(3)  # refused when it is called, as in PyTorch
    with pytest.raises(TypeError):
        (y * 2).sum().backward()


def test_hooks_are_dropped():
    class Thing:
        def __call__(self, grad):
            pass

    thing = Thing()
    ref = weakref.ref(thing)
    x = torch.ones(2, requires_grad=True)
    x.register_hook(thing)
    del thing
    assert ref() is not None
    del x
    gc.collect()
    assert ref() is None


def test_post_accumulate_and_node_hooks():
    x = torch.ones(2, requires_grad=True)
    seen = []
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.tolist()))
    y = x * 2
    y.grad_fn.register_prehook(lambda gs: (gs[0] * 5,))
    y.grad_fn.register_hook(lambda ins, outs: seen.append(outs[0].tolist()))
    y.sum().backward()
    assert seen == [[5, 5], [10, 10]] and x.grad.tolist() == [10, 10]
    with pytest.raises(RuntimeError, match="non-leaf"):
        (x * 2).register_post_accumulate_grad_hook(print)


# ---- Function ------------------------------------------------------------------------------------------


class Square(Function):
    @staticmethod
    def forward(ctx, x, power):
        ctx.power = power
        ctx.save_for_backward(x)
        return x**power

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * ctx.power * x ** (ctx.power - 1), None


def test_function():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = Square.apply(x, 3)
    assert y.requires_grad and y.grad_fn.name() == "SquareBackward" and not y.is_leaf
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    assert g.tolist() == [3, 12]
    (h,) = torch.autograd.grad(g.sum(), x)
    assert h.tolist() == [6, 12]
    with torch.no_grad():
        assert not Square.apply(x, 2).requires_grad
    assert not Square.apply(x.detach(), 2).requires_grad


def test_function_needs_and_several_results():
    class Split(Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.needs = ctx.needs_input_grad
            ctx.mark_non_differentiable(b)
            return a + 1, a * 2, b, "text"

        @staticmethod
        def backward(ctx, ga, gb, gc, text):
            assert ctx.needs == (True, False)
            assert gb.tolist() == [0, 0]
            return ga, None

    a, b = torch.ones(2, requires_grad=True), torch.ones(2)
    first, second, third, text = Split.apply(a, b)
    assert text == "text" and not third.requires_grad and second.requires_grad
    first.sum().backward()
    assert a.grad.tolist() == [1, 1]


def test_function_setup_context():
    class Scale(Function):
        @staticmethod
        def forward(x, k):
            return x * k

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.k = inputs[1]

        @staticmethod
        def backward(ctx, g):
            return g * ctx.k, None

    x = torch.ones(2, requires_grad=True)
    Scale.apply(x, 4).sum().backward()
    assert x.grad.tolist() == [4, 4]


def test_function_in_place():
    class AddOne(Function):
        @staticmethod
        def forward(ctx, x):
            x.add_(1)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 7

    x = torch.ones(2, requires_grad=True)
    y = x * 1
    z = AddOne.apply(y)
    assert z is y and z.tolist() == [2, 2]
    z.sum().backward()
    assert x.grad.tolist() == [7, 7]


def test_function_identity_makes_a_new_tensor():
    class Same(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = torch.ones(2, requires_grad=True)
    y = Same.apply(x)
    assert y is not x and x.is_leaf
    y.sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_function_saves_its_result_without_a_cycle():
    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    x = torch.zeros(2, requires_grad=True)
    y = Exp.apply(x)
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    assert h.tolist() == [1, 1]
    ref = weakref.ref(y.grad_fn)
    gc.disable()
    try:
        del y, g, h
        assert ref() is None
    finally:
        gc.enable()


def test_function_errors():
    class Bad(Function):
        @staticmethod
        def forward(ctx, x, answer):
            ctx.answer = answer
            ctx.save_for_backward(x)
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return ctx.answer(ctx, g)

    x = torch.ones(2, requires_grad=True)

    def run(answer):
        Bad.apply(x, answer).sum().backward()

    with pytest.raises(
        RuntimeError, match="returned an incorrect number of gradients .expected 2, got 1"
    ):
        run(lambda ctx, g: g)
    with pytest.raises(RuntimeError, match="returned a gradient different from None at position 2"):
        run(lambda ctx, g: (g, g))
    with pytest.raises(RuntimeError, match="expected Variable or None"):
        run(lambda ctx, g: (3, None))
    with pytest.raises(KeyError):
        run(lambda ctx, g: {}["a"])
    run(lambda ctx, g: (g, None, None, None))
    y = Bad.apply(x, lambda ctx, g: (ctx.saved_tensors[0], None)).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()
    z = x.detach().clone().requires_grad_() * 1
    w = Bad.apply(z, lambda ctx, g: (ctx.saved_tensors[0], None)).sum()
    z.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        w.backward()


def test_backward_inside_backward():
    class Inner(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            with torch.enable_grad():
                y = ctx.saved_tensors[0].detach().requires_grad_()
                (y * y).sum().backward()
            return y.grad * g

    x = torch.ones(2, requires_grad=True)
    Inner.apply(x).sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_backward_in_threads():
    x = torch.ones(1000, requires_grad=True)

    def work():
        for _ in range(20):
            x.detach().requires_grad_().exp().sum().backward()

    threads = [threading.Thread(target=work) for _ in range(3)]
    [t.start() for t in threads]
    [t.join() for t in threads]


def test_gradcheck_is_a_function_after_its_module_was_imported():
    from flambeau.autograd.gradcheck import gradcheck
    x = torch.ones(2, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: x * x, (x,)) and torch.autograd.gradcheck(lambda x: x * x, (x,))
