"""Tensor subclasses keep their class, and __torch_function__ sees the calls it is an argument of.

The values are PyTorch 2.13's, but for deepcopy of a subclass, which PyTorch refuses.
"""

import copy
import gc
import pickle
import sys
import types

import flambeau as torch
import flambeau.nn.functional as F
import pytest
from flambeau import overrides


class Sub(torch.Tensor):
    pass


class Further(Sub):
    pass


def _name(func):
    """The function's name; a property's own."""
    return func.__self__.__name__ if func.__name__ == "__get__" else func.__name__


class Logged(torch.Tensor):
    calls = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.calls.append((_name(func), [t.__name__ for t in types]))
        return super().__torch_function__(func, types, args, kwargs)


class Duck:
    """No tensor, but takes calls."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return func.__name__, [t.__name__ for t in types], len(args), sorted(kwargs or {})


class Refusing:
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return NotImplemented


def _matrix(cls):
    return torch.tensor([[1.0, 2.0], [3.0, 4.0]]).as_subclass(cls)


KEEPING = {
    "x + 1": lambda x, p: x + 1,
    "1 - x": lambda x, p: 1 - x,
    "2 / x": lambda x, p: 2 / x,
    "2 ** x": lambda x, p: 2**x,
    "x @ p": lambda x, p: x @ p,
    "p @ x": lambda x, p: p @ x,
    "plain + x": lambda x, p: torch.ones(2, 2) + x,
    "-x": lambda x, p: -x,
    "x == 1": lambda x, p: x == 1,
    "x[0]": lambda x, p: x[0],
    "x[x > 1]": lambda x, p: x[x > 1],
    "T": lambda x, p: x.T,
    "data": lambda x, p: x.data,
    "to": lambda x, p: x.to(torch.float64),
    "float": lambda x, p: x.float(),
    "cpu": lambda x, p: x.cpu(),
    "clone": lambda x, p: x.clone(),
    "detach": lambda x, p: x.detach(),
    "contiguous": lambda x, p: x.contiguous(),
    "view": lambda x, p: x.view(4),
    "torch.sum": lambda x, p: torch.sum(x),
    "cat": lambda x, p: torch.cat([torch.ones(2, 2), x]),
    "where": lambda x, p: torch.where(x > 1, x, 0),
    "linear": lambda x, p: F.linear(x, p),
    "relu": lambda x, p: F.relu(x),
    "mse_loss": lambda x, p: F.mse_loss(x, x),
    "module": lambda x, p: torch.nn.Linear(2, 2)(x),
    "zeros_like": lambda x, p: torch.zeros_like(x),
    "new_zeros": lambda x, p: x.new_zeros(2),
    "nonzero": lambda x, p: torch.nonzero(x),
    "norm": lambda x, p: torch.linalg.norm(x),
    "einsum": lambda x, p: torch.einsum("ij,jk", x, x),
    "out": lambda x, p: torch.add(torch.ones(2, 2), 1, out=x),
    "in place": lambda x, p: x.__iadd__(1),
    "requires_grad_": lambda x, p: x.clone().requires_grad_(),
    "deepcopy": lambda x, p: copy.deepcopy(x),
    "copy": lambda x, p: copy.copy(x),
    "pickle": lambda x, p: pickle.loads(pickle.dumps(x)),
}


@pytest.mark.parametrize("name", KEEPING)
@pytest.mark.parametrize("cls", [Sub, Logged])
def test_results_keep_the_class(name, cls):
    assert type(KEEPING[name](_matrix(cls), torch.nn.Parameter(torch.ones(2, 2)))) is cls


def test_lists_of_results_keep_the_class():
    x = _matrix(Sub)
    assert [type(t) for t in (*x, *x.split(1), *x.unbind(0), *x.max(0))] == [Sub] * 8
    assert type(x.max(0)).__name__ == "max"


def test_a_gradient_and_a_plain_value_keep_their_own():
    x = _matrix(Sub).requires_grad_()
    (x * 2).sum().backward()
    assert type(x.grad) is torch.Tensor and x.grad.tolist() == [[2.0, 2.0], [2.0, 2.0]]
    assert type(x.shape) is torch.Size and type(x.tolist()) is list
    assert type(torch.Tensor(x.detach())) is torch.Tensor
    assert repr(_matrix(Sub)) == "Sub([[1., 2.],\n     [3., 4.]])"


def test_the_further_derived_class_wins():
    x, y = _matrix(Sub), _matrix(Further)
    assert type(x * y) is Further and type(y * x) is Further


def test_classes_that_do_not_know_each_other():
    x, y = _matrix(Logged), _matrix(Sub)
    with pytest.raises(TypeError, match=r"unsupported operand .* \*: 'Logged' and 'Sub'"):
        x * y
    with pytest.raises(TypeError, match="Multiple dispatch failed for 'torch.add'"):
        torch.add(x, y)


@pytest.mark.parametrize(
    ("call", "seen"),
    [
        (lambda x: x + 1, ["add"]),
        (lambda x: 1 - x, ["__rsub__"]),
        (lambda x: x / 2, ["div"]),
        (lambda x: x // 2, ["__floordiv__"]),
        (lambda x: ~(x > 1), ["gt", "__invert__"]),
        (lambda x: x[0], ["__getitem__"]),
        (lambda x: x.__setitem__(0, 1.0), ["__setitem__"]),
        (lambda x: x.__imul__(2), ["mul_"]),
        (lambda x: len(x), ["__len__"]),
        (lambda x: bool(x.sum() > 0), ["sum", "gt", "__bool__"]),
        (lambda x: x.shape, ["shape"]),
        (lambda x: x.size(), ["size"]),
        (lambda x: x.tolist(), ["tolist"]),
        (lambda x: torch.add(x, 1), ["add"]),
        (lambda x: torch.stack([torch.ones(2, 2), x]), ["stack"]),
        (lambda x: F.softmax(x, -1), ["softmax"]),
        (lambda x: F.layer_norm(x, (2,)), ["layer_norm"]),
        (lambda x: torch.nn.Linear(2, 2)(x), ["linear"]),
        (lambda x: torch.numel(x), ["numel"]),
        (lambda x: repr(x), ["__repr__"]),
    ],
)
def test_what_a_class_sees(call, seen):
    x = _matrix(Logged)
    Logged.calls.clear()
    call(x)
    assert Logged.calls == [(name, ["Logged"]) for name in seen]


def test_objects_that_are_no_tensors():
    d, plain = Duck(), torch.ones(2)
    assert torch.add(d, 1) == ("add", ["Duck"], 2, [])
    assert torch.mean(d, dim=0) == ("mean", ["Duck"], 1, ["dim"])
    assert torch.cat([d, plain]) == ("cat", ["Duck"], 1, [])
    assert plain.add(d) == ("add", ["Duck"], 2, [])
    assert plain + d == ("add", ["Duck"], 2, [])
    assert torch.matmul(d, plain) == ("matmul", ["Duck"], 2, [])
    assert F.linear(plain, d)[0] == "linear"


def test_what_nobody_implements():
    message = "Multiple dispatch failed for 'torch.add'; all __torch_function__ handlers returned"
    with pytest.raises(TypeError, match=message):
        torch.add(Refusing(), 1)
    message = "no implementation found for 'torch.nn.functional.relu' on types that implement"
    with pytest.raises(TypeError, match=message):
        F.relu(Refusing())
    with pytest.raises(TypeError, match="argument 'input' .position 1. must be Tensor, not str"):
        torch.relu("x")


def test_functions_are_found_by_what_programs_call():
    table = {torch.mean: "mean", F.linear: "linear", torch.Tensor.mul: "method"}

    class Scalar:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return table.get(func, NotImplemented)

    one = torch.ones(2)
    assert torch.mean(Scalar()) == "mean"
    assert F.linear(one, Scalar()) == "linear"
    assert one.mul(Scalar()) == "method"
    with pytest.raises(TypeError, match="for 'torch.add'"):
        torch.add(one, Scalar())


def test_parameters_take_no_part():
    p = torch.nn.Parameter(torch.ones(2))
    assert type(p + 1) is torch.Tensor
    assert not overrides.has_torch_function((p,))


def test_asking():
    sub, plain, d = _matrix(Sub), torch.ones(1), Duck()
    assert [overrides.is_tensor_like(o) for o in (d, 1, plain)] == [True, False, True]
    assert [overrides.has_torch_function((o,)) for o in (d, plain, sub)] == [True, False, True]
    with torch._C.DisableTorchFunctionSubclass():
        assert not overrides.has_torch_function((sub,))
        assert type(sub + 1) is torch.Tensor
    assert type(sub + 1) is Sub
    assert overrides.resolve_name(torch.add) == "torch.add"
    assert overrides.resolve_name(torch.Tensor.add) == "torch.Tensor.add"


def test_an_exception_comes_through_once():
    count = []

    class Raising:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            count.append(func)
            raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):
        F.relu(Raising())
    assert len(count) == 1


def test_a_mode_sees_every_call():
    seen = []

    class Mode(overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append(func.__name__)
            return func(*args, **(kwargs or {}))

    with Mode(), overrides.BaseTorchFunctionMode():
        x = torch.ones(2)
        torch.add(x, x + 1)
        x.sum()
        with torch._C.DisableTorchFunction():
            x.sum()
    x.sum()
    assert seen == ["ones", "add", "add", "sum"]


def test_a_subclass_is_collected():
    class Mine(torch.Tensor):
        pass

    before = None
    for turn in range(300):
        x = torch.ones(100).as_subclass(Mine)
        y = (x * 2).sum()
        y.mine = [y, x.shape, x.sum]
        del x, y
        if turn == 100:
            gc.collect()
            before = torch._C.memory_stats()
    gc.collect()
    after = torch._C.memory_stats()
    assert after == before or after["allocated"] <= before["allocated"]


def test_names_around_overrides():
    from flambeau.utils._python_dispatch import TorchDispatchMode, is_traceable_wrapper_subclass

    assert torch.Tensor.grad.__get__ in torch.overrides.get_default_nowrap_functions()
    assert not is_traceable_wrapper_subclass(torch.ones(1))

    class Mode(TorchDispatchMode):
        pass

    with pytest.raises(NotImplementedError, match="torch.overrides.TorchFunctionMode sees"):
        Mode().__enter__()


def test_functions_of_the_other_library(monkeypatch):
    """PyTorch's functions, given our tensors, ask them: ours of that name answers."""

    def theirs(name):
        def function(*args, **kwargs):
            asks = type(args[0]).__torch_function__
            return asks(function, (type(args[0]),), args, kwargs)

        function.__name__ = name
        return function

    other = types.ModuleType("torch")
    other.Tensor = type("Tensor", (), {"add": theirs("add")})
    other.relu, other.nowhere = theirs("relu"), theirs("nowhere")
    for home, names in (("linalg", ["det"]), ("special", []), ("fft", [])):
        space = types.SimpleNamespace(**{name: theirs(f"{home}_{name}") for name in names})
        setattr(other, home, space)
    other.nn = types.SimpleNamespace(functional=types.SimpleNamespace(gelu=theirs("gelu")))
    monkeypatch.setitem(sys.modules, "torch", other)
    x = torch.tensor([[1.0, -2.0], [3.0, 4.0]])
    assert torch.equal(other.nn.functional.gelu(x, approximate="tanh"),
                       F.gelu(x, approximate="tanh"))
    assert torch.equal(other.relu(x), torch.relu(x)) and other.linalg.det(x) == 10
    assert torch.equal(other.Tensor.add(x, 1), x + 1)
    assert type(other.relu(x.as_subclass(Sub))) is Sub
    layer = torch.nn.TransformerEncoderLayer(4, 2, 8, 0.0, other.nn.functional.gelu)
    assert layer(torch.ones(2, 1, 4)).shape == (2, 1, 4)
    with pytest.raises(TypeError, match=r"^PyTorch's nowhere\(\) was given a tensor of Flambeau"):
        other.nowhere(x)


def test_functions_written_in_python_ask_first():
    class Duck:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return func.__name__

    F, duck, ones = torch.nn.functional, Duck(), torch.ones(2)
    assert F.mse_loss(duck, ones) == "mse_loss" and F.mse_loss(ones, duck) == "mse_loss"
    assert F.l1_loss(duck, ones) == "l1_loss" and F.huber_loss(duck, ones) == "huber_loss"
    assert F.smooth_l1_loss(ones, duck) == "smooth_l1_loss"
    assert F.embedding(torch.tensor([0]), duck) == "embedding"
    assert torch.einsum("i,i->", duck, ones) == "einsum"
