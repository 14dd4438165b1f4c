"""What the graph promises: orders, retention, hooks that come and go, long chains, gradcheck."""

import gc
import subprocess
import sys

import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau.autograd import Function, grad, gradcheck, gradgradcheck


def test_third_order():
    x = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    (a,) = grad(x**4, x, create_graph=True)
    (b,) = grad(a, x, create_graph=True)
    (c,) = grad(b, x, create_graph=True)
    (d,) = grad(c, x)
    assert [v.item() for v in (a, b, c, d)] == [32, 48, 48, 24]


def test_third_order_of_functions():
    x = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    value = torch.sin(x)
    for want in (x.cos(), -x.sin(), -x.cos()):
        (value,) = grad(value, x, create_graph=True)
        assert abs(value.item() - want.item()) < 1e-14


def test_backward_twice():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4, 8]
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.backward()
    z = (x + 1).sum()  # nothing saved: PyTorch lets it run again
    z.backward()
    z.backward()
    assert x.grad.tolist() == [6, 10]


def test_unused():
    x, y = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="differentiated Tensor.* appears? to not have been used in the graph"):
        grad((x * 2).sum(), (x, y))
    a, b = grad((x * 2).sum(), (x, y), allow_unused=True)
    assert a.tolist() == [2, 2] and b is None
    a, b = grad((x * 2).sum(), (x, y), materialize_grads=True)
    assert b.tolist() == [0, 0, 0]


def test_a_hook_removed_while_hooks_run():
    seen = []
    x = torch.ones(2, requires_grad=True)

    def first(g):
        seen.append("first")
        handle.remove()
        return g * 2

    def second(g):
        seen.append("second")

    handle = x.register_hook(first)
    x.register_hook(second)
    for _ in range(2):
        (x * 3).sum().backward()
    assert seen == ["first", "second", "second"]
    assert x.grad.tolist() == [9, 9]


def test_post_accumulate_hook_steps():
    x = torch.ones(2, requires_grad=True)

    def step(p):
        with torch.no_grad():
            p -= p.grad
        p.grad = None

    handle = x.register_post_accumulate_grad_hook(step)
    (x * 0.25).sum().backward()
    assert x.tolist() == [0.75, 0.75] and x.grad is None
    handle.remove()
    (x * 0.25).sum().backward()
    assert x.grad.tolist() == [0.25, 0.25]


def test_module_hooks():
    layer, seen = torch.nn.Linear(2, 1, bias=False), []
    handles = [
        layer.register_forward_pre_hook(lambda m, args: (args[0] * 2,)),
        layer.register_forward_hook(lambda m, args, out: out + 1),
        layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go))),
    ]
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, 4.0]]))
    x = torch.ones(1, 2, requires_grad=True)
    out = layer(x)
    assert out.tolist() == [[15]]
    out.sum().backward()
    assert x.grad.tolist() == [[6, 8]]
    assert seen[0][0][0].tolist() == [[3, 4]] and seen[0][1][0].tolist() == [[1]]
    for handle in handles:
        handle.remove()
    assert layer(x).tolist() == [[7]]


def test_a_function_in_a_graph_differentiated_twice():
    class Cube(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x**2

    x = torch.randn(4, dtype=torch.float64, requires_grad=True)
    assert gradcheck(Cube.apply, (x,)) and gradgradcheck(Cube.apply, (x,))


CHAIN = """
import sys
sys.path[:0] = {path!r}
import flambeau as torch
x = torch.ones(1, requires_grad=True)
y = x
for _ in range({length}):
    y = y + 1
y.backward()
assert x.grad.item() == 1
del y
y = x
for _ in range({length}):
    y = y * 1.0
del y
y = torch.ones(1, requires_grad=True) * 1
for _ in range({length}):
    y.mul_(1.0)
y.sum().backward()
z = torch.ones(4, requires_grad=True) * 1
for _ in range({length} // 10):
    z = z.view(4)
z.sum().backward()
print("done")
"""


def test_a_chain_of_a_million():
    code = CHAIN.format(path=sys.path, length=1_000_000)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0 and ran.stdout == "done\n", ran.stderr[-2000:]


def test_graphs_leave_nothing():
    def allocated():
        gc.collect()
        return torch.memory_stats()["allocated"]

    def work():
        x = torch.randn(8, 8, requires_grad=True)
        y = (x @ x).softmax(-1) * 1
        y[0] = x[1]
        (g,) = grad(y.sum(), x, create_graph=True)
        g.sum().backward()

    work()
    before = allocated()
    for _ in range(20):
        work()
    assert allocated() == before


def t(*shape, low=None):
    generator = torch.Generator().manual_seed(sum(shape) + 17 * len(shape))
    x = torch.randn(*shape, dtype=torch.float64, generator=generator)
    if low is not None:
        x = x.abs() + low
    return x.requires_grad_()


INDEX = torch.tensor([[0, 2, 1], [2, 2, 0]])
CHECKED = {
    "add": (lambda a, b: a + b, (t(2, 3), t(3))),
    "sub": (lambda a, b: torch.sub(a, b, alpha=2), (t(2, 3), t(2, 1))),
    "mul": (lambda a, b: a * b, (t(2, 3), t(3))),
    "div": (lambda a, b: a / b, (t(2, 3), t(3, low=0.5))),
    "pow": (lambda a, b: a**b, (t(2, 3, low=0.5), t(3))),
    "square": (lambda a: a**2, (t(5),)),
    "exp": (torch.exp, (t(5),)),
    "expm1": (torch.expm1, (t(5),)),
    "log": (torch.log, (t(5, low=0.5),)),
    "log1p": (torch.log1p, (t(5, low=0.5),)),
    "sqrt": (torch.sqrt, (t(5, low=0.5),)),
    "rsqrt": (torch.rsqrt, (t(5, low=0.5),)),
    "reciprocal": (torch.reciprocal, (t(5, low=0.5),)),
    "sin": (torch.sin, (t(5),)),
    "cos": (torch.cos, (t(5),)),
    "tan": (torch.tan, (t(3),)),
    "atan": (torch.atan, (t(5),)),
    "tanh": (torch.tanh, (t(5),)),
    "sigmoid": (torch.sigmoid, (t(5),)),
    "erf": (torch.erf, (t(5),)),
    "gelu": (F.gelu, (t(5),)),
    "gelu_tanh": (lambda a: F.gelu(a, approximate="tanh"), (t(5),)),
    "relu": (torch.relu, (t(5, low=0.5),)),
    "silu": (F.silu, (t(5),)),
    "softplus": (F.softplus, (t(5),)),
    "abs": (torch.abs, (t(5, low=0.5),)),
    "clamp": (lambda a: a.clamp(-0.5, 0.5), (t(7),)),
    "maximum": (torch.maximum, (t(2, 3), t(1))),
    "where": (lambda a, b: torch.where(a.detach() > 0, a, b), (t(2, 3), t(3))),
    "sum": (lambda a: a.sum((0, 2)), (t(2, 3, 2),)),
    "mean": (lambda a: a.mean(1, keepdim=True), (t(2, 3),)),
    "prod": (lambda a: a.prod(1), (t(2, 3),)),
    "var": (lambda a: a.var(1), (t(2, 4),)),
    "std": (lambda a: a.std(), (t(2, 4),)),
    "amax": (lambda a: a.amax(1), (t(2, 4),)),
    "max": (lambda a: a.max(1)[0], (t(2, 4),)),
    "logsumexp": (lambda a: a.logsumexp(1), (t(2, 4),)),
    "norm": (lambda a: a.norm(), (t(2, 4),)),
    "cumsum": (lambda a: a.cumsum(1), (t(2, 4),)),
    "softmax": (lambda a: a.softmax(1), (t(2, 4),)),
    "log_softmax": (lambda a: a.log_softmax(0), (t(2, 4),)),
    "view": (lambda a: a.view(4, 2), (t(2, 4),)),
    "permute": (lambda a: a.permute(2, 0, 1), (t(2, 3, 2),)),
    "expand": (lambda a: a.expand(3, 4), (t(3, 1),)),
    "as_strided": (lambda a: a.as_strided((2, 3), (2, 1)), (t(8),)),
    "slices": (lambda a: a[1:, ::2, None], (t(3, 5),)),
    "narrow": (lambda a: a.narrow(1, 1, 2), (t(3, 5),)),
    "cat": (lambda a, b: torch.cat((a, b), 1), (t(2, 3), t(2, 1))),
    "stack": (lambda a, b: torch.stack((a, b), 1), (t(2, 3), t(3, 2).t())),
    "index": (lambda a: a[INDEX], (t(3, 2),)),
    "mask": (lambda a: a[torch.tensor([True, False, True])], (t(3, 2),)),
    "gather": (lambda a: a.gather(1, INDEX), (t(2, 3),)),
    "scatter_add": (lambda a, b: a.scatter_add(1, INDEX, b), (t(2, 3), t(2, 3))),
    "index_select": (lambda a: a.index_select(0, INDEX[0]), (t(3, 2),)),
    "masked_fill": (lambda a: a.masked_fill(INDEX == 2, 1.5), (t(2, 3),)),
    "matmul": (torch.matmul, (t(2, 3), t(3, 4))),
    "matmul_batches": (torch.matmul, (t(2, 1, 2, 3), t(2, 3, 2))),
    "matmul_vectors": (torch.matmul, (t(3), t(3))),
    "linear": (F.linear, (t(2, 3), t(4, 3), t(4))),
    "conv2d": (lambda x, w, b: F.conv2d(x, w, b, 2, 1), (t(1, 2, 5, 5), t(2, 2, 3, 3), t(2))),
    "conv2d_groups": (lambda x, w: F.conv2d(x, w, groups=2), (t(1, 2, 4, 4), t(2, 1, 2, 2))),
    "max_pool2d": (lambda a: F.max_pool2d(a, 2), (t(1, 2, 4, 4),)),
    "avg_pool2d": (lambda a: F.avg_pool2d(a, 3, 2, 1), (t(1, 2, 4, 4),)),
    "layer_norm": (lambda a, w, b: F.layer_norm(a, (4,), w, b), (t(3, 4), t(4), t(4))),
    "batch_norm": (
        lambda a, w, b: F.batch_norm(a, None, None, w, b, training=True),
        (t(4, 3), t(3), t(3)),
    ),
    "cross_entropy": (lambda a: F.cross_entropy(a, INDEX[0]), (t(3, 3),)),
    "cross_entropy_smooth": (
        lambda a: F.cross_entropy(a, INDEX[0], label_smoothing=0.1),
        (t(3, 3),),
    ),
    "nll_loss": (lambda a: F.nll_loss(a, INDEX[0]), (t(3, 3),)),
    "mse_loss": (F.mse_loss, (t(2, 3), t(3, 2).t())),
    "bce_with_logits": (
        lambda a: F.binary_cross_entropy_with_logits(a, torch.full((4,), 0.3, dtype=torch.float64)),
        (t(4),),
    ),
    "embedding": (lambda w: F.embedding(INDEX, w), (t(3, 2),)),
    "topk": (lambda a: a.topk(2, 1)[0], (t(2, 4),)),
    "sort": (lambda a: a.sort(1)[0], (t(2, 4),)),
}


@pytest.mark.parametrize("name", CHECKED)
def test_gradcheck(name):
    function, inputs = CHECKED[name]
    inputs = tuple(x.detach().requires_grad_() for x in inputs)
    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs)
