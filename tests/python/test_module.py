"""nn.Module: registration, attributes, calls and hooks, state dicts, trees, pickling.

Every expectation here is PyTorch's behaviour: the file passes as it is with `flambeau` replaced by
`torch`.
"""
import copy
import gc
import pickle
import types
import weakref
from collections import OrderedDict

import pytest

import flambeau as torch

nn = torch.nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(2, 3)
        self.inner = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
        self.scale = nn.Parameter(torch.ones(3))
        self.register_buffer("count", torch.zeros(1))
        self.register_buffer("hidden", torch.ones(2), persistent=False)

    def forward(self, x, gain=1.0):
        return self.inner(self.a(x)) * self.scale * gain


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(2))

    def forward(self, x):
        return self.w * x


# ---- registration and attributes -----------------------------------------------------------------

def test_assignment_registers():
    net = Net()
    assert list(net._parameters) == ["scale"]
    assert list(net._modules) == ["a", "inner"]
    assert list(net._buffers) == ["count", "hidden"]
    assert net._non_persistent_buffers_set == {"hidden"}
    assert isinstance(net.scale, nn.Parameter) and net.scale is net._parameters["scale"]
    assert net.a is net._modules["a"] and net.count is net._buffers["count"]
    assert "scale" not in net.__dict__ and "a" not in net.__dict__
    assert net.training is True


def test_the_names_of_the_dictionary():
    assert list(nn.Module().__dict__) == [
        "training",
        "_parameters",
        "_buffers",
        "_non_persistent_buffers_set",
        "_backward_pre_hooks",
        "_backward_hooks",
        "_is_full_backward_hook",
        "_forward_hooks",
        "_forward_hooks_with_kwargs",
        "_forward_hooks_always_called",
        "_forward_pre_hooks",
        "_forward_pre_hooks_with_kwargs",
        "_state_dict_hooks",
        "_state_dict_pre_hooks",
        "_load_state_dict_pre_hooks",
        "_load_state_dict_post_hooks",
        "_modules",
    ]


def test_a_name_moves_between_kinds():
    m = nn.Module()
    m.x = 3
    m.x = nn.Parameter(torch.ones(1))
    assert "x" not in m.__dict__ and "x" in m._parameters
    with pytest.raises(TypeError, match="as parameter 'x'"):
        m.x = nn.Linear(1, 1)
    del m.x
    m.x = nn.Linear(1, 1)
    assert "x" in m._modules
    m.x = nn.Parameter(torch.zeros(1))
    assert "x" not in m._modules and "x" in m._parameters
    m.x = None
    assert m._parameters["x"] is None and m.x is None
    del m.x
    assert not hasattr(m, "x")
    m.register_buffer("b", torch.ones(1), persistent=False)
    m.b = torch.zeros(1)
    assert m._non_persistent_buffers_set == {"b"} and m._buffers["b"].item() == 0
    m.b = nn.Parameter(torch.ones(1))
    assert not m._buffers and m._non_persistent_buffers_set == set()


def test_refused_assignments():
    net = Net()
    with pytest.raises(TypeError, match=r"cannot assign 'torch.FloatTensor' as parameter 'scale' "
                                        r"\(torch.nn.Parameter or None expected\)"):
        net.scale = torch.ones(3)
    with pytest.raises(
        TypeError,
        match=r"cannot assign 'int' as child module 'a' \(torch.nn.Module or None expected\)",
    ):
        net.a = 3
    with pytest.raises(TypeError, match=r"cannot assign 'str' as buffer 'count' "
                                        r"\(torch.nn.Buffer, torch.Tensor or None expected\)"):
        net.count = "x"
    with pytest.raises(TypeError, match=r"cannot assign 'float' object to parameter 'p' "
                                        r"\(torch.nn.Parameter or None required\)"):
        net.register_parameter("p", 3.0)
    with pytest.raises(
        TypeError,
        match=r"cannot assign 'int' object to buffer 'q' \(torch Tensor or None required\)",
    ):
        net.register_buffer("q", 3)
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        net.add_module("m", 3)
    with pytest.raises(TypeError, match="parameter name should be a string. Got int"):
        net.register_parameter(3, None)
    with pytest.raises(KeyError, match="name can.*t be empty string"):
        net.register_buffer("", torch.ones(1))
    with pytest.raises(KeyError, match="name can.*t contain"):
        net.register_parameter("a.b", None)
    with pytest.raises(KeyError, match="module name can.*t contain .*, got: a.b"):
        net.add_module("a.b", nn.ReLU())
    with pytest.raises(KeyError, match="attribute 'a' already exists"):
        net.register_parameter("a", nn.Parameter(torch.ones(1)))
    with pytest.raises(KeyError, match="attribute 'forward' already exists"):
        net.add_module("forward", nn.ReLU())
    p = nn.Parameter(torch.ones(1))
    p2 = nn.Parameter(torch.ones(1)) * p
    with pytest.raises(TypeError):
        net.register_parameter("prod", p2)


def test_before_the_constructor():
    class Early(nn.Module):
        def __init__(self, what):
            setattr(self, "x", what)
            super().__init__()
    with pytest.raises(
        AttributeError, match=r"cannot assign module before Module.__init__\(\) call"
    ):
        Early(nn.ReLU())
    with pytest.raises(
        AttributeError, match=r"cannot assign parameters before Module.__init__\(\) call"
    ):
        Early(nn.Parameter(torch.ones(1)))
    assert Early(3).x == 3
    bare = Early.__new__(Early, 0)
    with pytest.raises(
        AttributeError, match=r"cannot assign buffer before Module.__init__\(\) call"
    ):
        bare.register_buffer("b", torch.ones(1))
    with pytest.raises(AttributeError, match="'Early' object has no attribute"):
        bare(1)
    with pytest.raises(AttributeError, match="'Early' object has no attribute 'foo'"):
        bare.foo


def test_missing_attribute():
    net = Net()
    with pytest.raises(AttributeError, match="^'Net' object has no attribute 'nothing'$"):
        net.nothing
    with pytest.raises(AttributeError):
        del net.nothing
    assert not hasattr(net, "nothing") and getattr(net, "nothing", 5) == 5


def test_constructor_arguments():
    with pytest.raises(
        TypeError, match=r"Module.__init__\(\) takes 1 positional argument but 2 were given"
    ):
        nn.Module(1)
    with pytest.raises(
        TypeError, match=r"Module.__init__\(\) got an unexpected keyword argument 'x'"
    ):
        nn.Module(x=1)

    class Mixin:
        def __init__(self, value):
            super().__init__()
            self.value = value

    class Both(nn.Module, Mixin):
        call_super_init = True

    both = Both(7)
    assert both.value == 7 and both._parameters == {}


def test_class_attributes_and_properties_come_first():
    class WithProperty(nn.Module):
        constant = 5

        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.ones(1))

        @property
        def double(self):
            return self.w * 2

        @property
        def broken(self):
            return self.absent

    m = WithProperty()
    assert m.constant == 5 and m.double.item() == 2
    with pytest.raises(AttributeError, match="has no attribute"):
        m.broken
    for _ in range(3):
        assert m.w is m._parameters["w"]

    class Later(WithProperty):
        w = property(lambda self: "from the class")
    m.__class__ = Later
    assert m.w == "from the class"


def test_dictionary_can_be_replaced():
    m, other = Scaled(), Scaled()
    assert m.w is not other.w
    m.__dict__ = dict(other.__dict__)
    assert m.w is other.w
    m = Scaled()
    m.w
    m.__dict__.update(other.__dict__)
    assert m.w is other.w
    m._parameters = {}
    assert not hasattr(m, "w")
    m._forward_hooks = OrderedDict({0: lambda module, args, out: "hooked"})
    m.w = nn.Parameter(torch.ones(1))
    assert m(1) == "hooked"


def test_object_setattr_passes_registration_by():
    m, child = nn.Module(), nn.Linear(1, 1)
    object.__setattr__(m, "hidden", child)
    assert m.hidden is child and not m._modules
    assert list(m.parameters()) == []


def test_own_getattr_and_setattr():
    class Wrapper(nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module
            self.assigned = []

        def __getattr__(self, name):
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(self.module, name)

        def __setattr__(self, name, value):
            if name != "assigned" and "assigned" in self.__dict__:
                self.assigned.append(name)
            super().__setattr__(name, value)

    wrapper = Wrapper(Scaled())
    assert wrapper.w is wrapper.module.w
    wrapper.p = nn.Parameter(torch.ones(1))
    assert wrapper.assigned == ["p"] and "p" in wrapper._parameters
    with pytest.raises(AttributeError):
        wrapper.nothing
    assert (
        wrapper(torch.ones(2)).tolist() == [1, 1]
        if callable(getattr(Wrapper, "call", None))
        else True
    )

    class Strict(nn.Module):
        def __getattr__(self, name):
            if name == "magic":
                return 42
            return super().__getattr__(name)
    strict = Strict()
    strict.child = nn.ReLU()
    assert strict.magic == 42 and isinstance(strict.child, nn.ReLU)
    with pytest.raises(AttributeError, match="'Strict' object has no attribute 'x'"):
        strict.x


def test_overridden_registration():
    class Logging(nn.Module):
        def __init__(self):
            super().__init__()
            self.seen = []

        def register_parameter(self, name, param):
            self.seen.append(name)
            super().register_parameter(name, param)

        def register_buffer(self, name, tensor, persistent=True):
            self.seen.append((name, persistent))
            super().register_buffer(name, tensor, persistent)
    m = Logging()
    m.p = nn.Parameter(torch.ones(1))
    m.register_buffer("b", torch.ones(1), persistent=False)
    m.b = torch.zeros(1)
    assert m.seen == ["p", ("b", False), ("b", False)]


def test_buffer_class():
    m = nn.Module()
    m.b = nn.Buffer(torch.ones(2))
    m.c = nn.Buffer(torch.ones(2), persistent=False)
    assert list(m._buffers) == ["b", "c"] and m._non_persistent_buffers_set == {"c"}
    assert isinstance(m.b, nn.Buffer) and not isinstance(torch.ones(1), nn.Buffer)


def test_registration_hooks_of_all_modules():
    register = nn.modules.module
    seen = []
    handles = [
        register.register_module_parameter_registration_hook(lambda m, n, p: seen.append(("p", n))),
        register.register_module_buffer_registration_hook(lambda m, n, b: seen.append(("b", n))),
        register.register_module_module_registration_hook(
            lambda m, n, c: nn.Tanh() if n == "act" else None
        ),
    ]
    try:
        m = Net()
        m.act = nn.ReLU()
    finally:
        for handle in handles:
            handle.remove()
    assert ("p", "scale") in seen and ("b", "count") in seen and isinstance(m.act, nn.Tanh)
    m.act = nn.ReLU()
    assert isinstance(m.act, nn.ReLU)


# ---- calls and hooks -----------------------------------------------------------------------------

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


# ---- the tree ------------------------------------------------------------------------------------

def test_names():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == [
        "scale", "a.weight", "a.bias", "inner.0.weight", "inner.0.bias"]
    assert [name for name, _ in net.named_parameters(recurse=False)] == ["scale"]
    assert [name for name, _ in net.named_parameters(prefix="p")][:2] == ["p.scale", "p.a.weight"]
    assert [name for name, _ in net.named_modules()] == ["", "a", "inner", "inner.0", "inner.1"]
    assert [name for name, _ in net.named_children()] == ["a", "inner"]
    assert [name for name, _ in net.named_buffers()] == ["count", "hidden"]
    assert len(list(net.modules())) == 5 and len(list(net.children())) == 2
    assert len(list(net.parameters())) == 5 and len(list(net.buffers())) == 2


def test_shared_members_appear_once():
    m = nn.Module()
    m.a = m.b = nn.Linear(1, 1)
    m.w = m.a.weight
    assert [name for name, _ in m.named_parameters()] == ["w", "a.bias"]
    assert [name for name, _ in m.named_parameters(remove_duplicate=False)] == [
        "w", "a.weight", "a.bias", "b.weight", "b.bias"]
    assert [name for name, _ in m.named_modules()] == ["", "a"]
    assert [name for name, _ in m.named_modules(remove_duplicate=False)] == ["", "a", "b"]
    assert len(list(m.children())) == 1
    m.none = None
    m.register_parameter("nothing", None)
    m.register_module("empty", None)
    assert len(list(m.modules())) == 2 and len(list(m.parameters())) == 2


def test_getting_by_path():
    net = Net()
    assert net.get_submodule("inner.1") is net.inner[1] and net.get_submodule("") is net
    assert net.get_parameter("inner.0.weight") is net.inner[0].weight
    assert net.get_buffer("count") is net.count
    with pytest.raises(AttributeError, match="Sequential has no attribute `7`"):
        net.get_submodule("inner.7")
    with pytest.raises(AttributeError, match="`scale` is not an nn.Module"):
        net.get_submodule("scale")
    with pytest.raises(AttributeError, match="`count` is not an nn.Parameter"):
        net.get_parameter("count")
    with pytest.raises(AttributeError, match="`scale` is not a buffer"):
        net.get_buffer("scale")
    net.set_submodule("inner.1", nn.Tanh())
    assert isinstance(net.inner[1], nn.Tanh)
    with pytest.raises(AttributeError):
        net.set_submodule("inner.9", nn.Tanh(), strict=True)


def test_modes_and_gradients():
    net = Net()
    assert net.eval() is net and not net.inner[0].training
    assert net.train() is net and net.inner[0].training
    with pytest.raises(ValueError, match="training mode is expected to be boolean"):
        net.train(1)
    assert net.requires_grad_(False) is net and not any(p.requires_grad for p in net.parameters())
    net.requires_grad_()
    net(torch.ones(1, 2)).sum().backward()
    assert net.scale.grad is not None
    net.zero_grad(set_to_none=False)
    assert net.scale.grad.abs().sum().item() == 0
    net.zero_grad()
    assert net.scale.grad is None
    seen = []
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Linear", "Linear", "ReLU", "Sequential", "Net"]


def test_conversion():
    net = Net()
    scale = net.scale
    net.register_buffer("index", torch.tensor([1]))
    net(torch.ones(1, 2)).sum().backward()
    assert net.double() is net and net.scale is scale
    assert scale.dtype == torch.float64 and scale.grad.dtype == torch.float64
    assert net.count.dtype == torch.float64 and net.index.dtype == torch.int64
    for convert, dtype in (
        (net.half, torch.float16),
        (net.bfloat16, torch.bfloat16),
        (net.float, torch.float32),
    ):
        convert()
        assert all(p.dtype == dtype for p in net.parameters())
    assert net.to(torch.float64).scale.dtype == torch.float64
    assert net.to("cpu", torch.float32).scale.dtype == torch.float32
    assert net.to(torch.ones(1, dtype=torch.float64)).scale.dtype == torch.float64
    assert net.to(dtype=torch.float32, device=torch.device("cpu")).scale.dtype == torch.float32
    assert net.cpu() is net and isinstance(net.scale, nn.Parameter) and net.scale.requires_grad
    with pytest.raises(
        TypeError,
        match=(
            "nn.Module.to only accepts floating point or complex dtypes, but got desired "
            "dtype=torch.int64"
        ),
    ):
        net.to(torch.int64)


def test_repr():
    assert repr(Net()) == """Net(
  (a): Linear(in_features=2, out_features=3, bias=True)
  (inner): Sequential(
    (0): Linear(in_features=3, out_features=3, bias=True)
    (1): ReLU()
  )
)"""
    assert repr(nn.Module()) == "Module()"
    many = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU(inplace=True)])
    assert (
        repr(many)
        == "ModuleList(\n  (0-1): 2 x Linear(in_features=2, out_features=2, bias=True)\n"
        "  (2): ReLU(inplace=True)\n)"
    )

    class Lines(nn.Module):
        def extra_repr(self):
            return "one\ntwo"
    assert repr(Lines()) == "Lines(\n  one\n  two\n)"


def test_dir():
    names = dir(Net())
    assert {"a", "scale", "count", "forward", "training"} <= set(names)
    assert "0" not in dir(nn.Sequential(nn.ReLU()))


# ---- state dicts ---------------------------------------------------------------------------------

def test_state_dict():
    net = Net()
    state = net.state_dict()
    assert isinstance(state, OrderedDict)
    assert list(state) == ["scale", "count", "a.weight", "a.bias", "inner.0.weight", "inner.0.bias"]
    assert not state["scale"].requires_grad and state["scale"].data_ptr() == net.scale.data_ptr()
    assert net.state_dict(keep_vars=True)["scale"] is net.scale
    assert list(net.state_dict(prefix="x."))[0] == "x.scale"
    assert state._metadata["inner.0"] == {"version": 1} and state._metadata[""] == {"version": 1}
    assert nn.BatchNorm1d(2).state_dict()._metadata[""] == {"version": 2}


def test_load_state_dict():
    one, two = Net(), Net()
    result = two.load_state_dict(one.state_dict())
    assert (
        str(result) == "<All keys matched successfully>" and result.missing_keys == [] == result[1]
    )
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters()))
    assert two.scale is not one.scale


def test_load_state_dict_errors():
    net = Net()
    state = net.state_dict()
    state["a.weight"] = torch.zeros(4, 4)
    del state["scale"]
    state["inner.0.other"] = torch.zeros(1)
    state["surplus"] = torch.zeros(1)
    with pytest.raises(RuntimeError) as error:
        net.load_state_dict(state)
    assert (
        str(error.value)
        == 'Error(s) in loading state_dict for Net:\n\tMissing key(s) in state_dict: "scale".'
        ' \n\tUnexpected key(s) in state_dict: "surplus", "inner.0.other". \n\tsize mismatch for'
        " a.weight: copying a param with shape torch.Size([4, 4]) from checkpoint, the shape in"
        " current model is torch.Size([3, 2])."
    )
    del state["a.weight"]
    result = net.load_state_dict(state, strict=False)
    assert result.missing_keys == ["scale", "a.weight"] and result.unexpected_keys == [
        "surplus",
        "inner.0.other",
    ]
    assert repr(result) == ("_IncompatibleKeys(missing_keys=['scale', 'a.weight'], "
                            "unexpected_keys=['surplus', 'inner.0.other'])")
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like"):
        net.load_state_dict([1])
    state = net.state_dict()
    state["scale"] = 3
    with pytest.raises(
        RuntimeError, match='While copying the parameter named "scale", expected torch.Tensor'
    ):
        net.load_state_dict(state)


def test_load_state_dict_assign():
    net = Net()
    state = {k: torch.full_like(v, 2, dtype=torch.float64) for k, v in net.state_dict().items()}
    net.load_state_dict(state, assign=True)
    assert (
        net.scale.dtype == torch.float64
        and isinstance(net.scale, nn.Parameter)
        and net.scale.requires_grad
    )
    assert net.count.data_ptr() == state["count"].data_ptr()
    net.load_state_dict({k: v.float() for k, v in state.items()})
    assert net.scale.dtype == torch.float64


def test_old_batch_norm_checkpoints():
    norm = nn.BatchNorm1d(2)
    state = {k: v for k, v in norm.state_dict().items() if k != "num_batches_tracked"}
    assert str(norm.load_state_dict(state)) == "<All keys matched successfully>"
    state = norm.state_dict()
    del state["num_batches_tracked"]
    with pytest.raises(RuntimeError, match="num_batches_tracked"):
        norm.load_state_dict(state)


def test_state_dict_hooks():
    net, seen = Scaled(), []
    net.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append("pre"))
    net._register_state_dict_hook(lambda m, state, prefix, meta: state.update(extra=torch.ones(1)))
    net.register_state_dict_post_hook(lambda m, state, prefix, meta: seen.append("post"))
    assert list(net.state_dict()) == ["w", "extra"] and seen == ["pre", "post"]
    net.register_load_state_dict_pre_hook(
        lambda m, state, prefix, meta, strict, missing, unexpected, errors: state.pop("extra", None)
    )
    net.register_load_state_dict_post_hook(lambda m, keys: seen.append(keys.missing_keys.copy()))
    net.load_state_dict(net.state_dict())
    assert seen[-1] == []
    other = Scaled()
    other.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    other.load_state_dict({})


def test_extra_state():
    class Extra(nn.Module):
        def __init__(self):
            super().__init__()
            self.value = 1

        def get_extra_state(self):
            return {"value": self.value}

        def set_extra_state(self, state):
            self.value = state["value"]
    one, two = nn.Sequential(Extra()), nn.Sequential(Extra())
    one[0].value = 9
    assert list(one.state_dict()) == ["0._extra_state"]
    two.load_state_dict(one.state_dict())
    assert two[0].value == 9
    with pytest.raises(RuntimeError, match='Missing key.*"0._extra_state"'):
        two.load_state_dict({})
    with pytest.raises(RuntimeError, match="Unexpected key"):
        nn.Sequential(nn.ReLU()).load_state_dict(one.state_dict())


# ---- copies, memory ------------------------------------------------------------------------------

def test_deepcopy_and_copy():
    net = Net()
    net.register_forward_hook(_keep_output)
    twin = copy.deepcopy(net)
    assert (
        twin.scale is not net.scale
        and torch.equal(twin.scale, net.scale)
        and isinstance(twin.scale, nn.Parameter)
    )
    assert twin.a.weight.data_ptr() != net.a.weight.data_ptr()
    x = torch.ones(1, 2)
    assert torch.equal(twin(x), net(x)) and len(twin._forward_hooks) == 1
    shared = nn.Module()
    shared.a = nn.Linear(1, 1)
    shared.b = shared.a
    twin = copy.deepcopy(shared)
    assert twin.a is twin.b and twin.a is not shared.a
    assert copy.copy(net).scale is net.scale


def _keep_output(module, args, out):
    return None


def test_pickle():
    net = Net()
    twin = pickle.loads(pickle.dumps(net))
    assert torch.equal(twin.scale, net.scale) and isinstance(twin.scale, nn.Parameter)
    assert list(twin.state_dict()) == list(net.state_dict()) and twin.hidden.tolist() == [1, 1]
    x = torch.ones(1, 2)
    assert torch.equal(twin(x), net(x))


def test_old_states_are_completed():
    m = Scaled()
    state = {
        k: v
        for k, v in m.__dict__.items()
        if k in (
            "training",
            "_parameters",
            "_buffers",
            "_modules",
            "_forward_hooks",
            "_backward_hooks",
        )
    }
    old = Scaled.__new__(Scaled)
    old.__setstate__(state)
    assert old(torch.ones(2)).tolist() == [1, 1] and old._non_persistent_buffers_set == set()


def test_cycles_are_collected():
    m = Net()
    m.itself = [m]
    gone = weakref.ref(m)
    del m
    gc.collect()
    assert gone() is None


def test_deep_nesting():
    m = nn.Identity()
    for _ in range(200):
        m = nn.Sequential(m)
    assert m(3) == 3 and len(list(m.modules())) == 201
    for _ in range(5000):
        m = nn.Sequential(m)
    del m


# ---- containers ----------------------------------------------------------------------------------

def test_sequential():
    s = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert (
        len(s) == 3
        and isinstance(s[-1], nn.Linear)
        and isinstance(s[:2], nn.Sequential)
        and len(s[1:]) == 2
    )
    with pytest.raises(IndexError, match="index 5 is out of range"):
        s[5]
    s[1] = nn.Tanh()
    assert isinstance(s[1], nn.Tanh)
    del s[1]
    assert list(s._modules) == ["0", "1"]
    s.append(nn.ReLU()).insert(0, nn.Identity()).extend([nn.Tanh()])
    assert [type(m).__name__ for m in s] == ["Identity", "Linear", "Linear", "ReLU", "Tanh"]
    assert isinstance(s.pop(0), nn.Identity) and len(s) == 4
    assert len(s + s) == 8 and len(s * 2) == 8 and len(2 * s) == 8
    s += nn.Sequential(nn.ReLU())
    assert len(s) == 5
    named = nn.Sequential(OrderedDict(first=nn.Linear(1, 1), second=nn.ReLU()))
    assert list(named.state_dict()) == ["first.weight", "first.bias"] and named.first is named[0]
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        nn.Sequential(3)


def test_module_list():
    ml = nn.ModuleList([nn.Linear(1, 1) for _ in range(3)])
    ml.append(nn.ReLU())
    ml.insert(1, nn.Tanh())
    ml.extend([nn.Identity()])
    assert len(ml) == 6 and isinstance(ml[1], nn.Tanh) and isinstance(ml[-1], nn.Identity)
    assert isinstance(ml[1:3], nn.ModuleList) and len(ml[1:3]) == 2
    del ml[0]
    assert list(ml._modules) == ["0", "1", "2", "3", "4"] and isinstance(ml[0], nn.Tanh)
    assert len(ml + [nn.ReLU()]) == 6 and isinstance(ml.pop(0), nn.Tanh)
    with pytest.raises(TypeError, match="ModuleList.extend should be called with an iterable"):
        ml.extend(3)
    with pytest.raises(IndexError):
        ml[9]


def test_module_dict():
    md = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.ReLU()})
    md["c"] = nn.Tanh()
    assert list(md) == ["a", "b", "c"] == list(md.keys()) and "a" in md and len(md) == 3
    assert isinstance(md.pop("b"), nn.ReLU) and [k for k, _ in md.items()] == ["a", "c"]
    md.update([("d", nn.ReLU())])
    del md["a"]
    assert [type(m).__name__ for m in md.values()] == ["Tanh", "ReLU"]
    with pytest.raises(TypeError):
        md.update(3)
    with pytest.raises(ValueError):
        md.update([("a", 1, 2)])
    md.clear()
    assert len(md) == 0


def test_parameter_containers():
    pl = nn.ParameterList([torch.ones(2), nn.Parameter(torch.zeros(3))])
    assert len(pl) == 2 and isinstance(pl[0], nn.Parameter) and len(list(pl.parameters())) == 2
    pl.append(torch.ones(1)).extend([torch.ones(1)])
    assert [p.numel() for p in pl] == [2, 3, 1, 1] and list(pl.state_dict()) == ["0", "1", "2", "3"]
    assert repr(nn.ParameterList([torch.ones(2, 3)])) == (
        "ParameterList(  (0): Parameter containing: [torch.float32 of size 2x3])")
    pd = nn.ParameterDict({"b": torch.ones(2), "a": torch.ones(1)})
    assert list(pd) == ["a", "b"] and isinstance(pd["a"], nn.Parameter) and pd.get("z") is None
    pd["c"] = torch.zeros(1)
    assert pd.popitem()[0] == "c" and list(pd.state_dict()) == ["a", "b"] and len(pd.copy()) == 2
    assert repr(nn.ParameterDict({"x": torch.ones(2)})) == (
        "ParameterDict(  (x): Parameter containing: [torch.FloatTensor of size 2])")


def test_parameter():
    data = torch.ones(2)
    p = nn.Parameter(data)
    assert (
        p.requires_grad
        and p.is_leaf
        and p.data_ptr() == data.data_ptr()
        and isinstance(p, torch.Tensor)
    )
    assert not nn.Parameter(data, requires_grad=False).requires_grad
    assert (
        repr(nn.Parameter(torch.tensor([1.0])))
        == "Parameter containing:\ntensor([1.], requires_grad=True)"
    )
    assert (
        type(p + 1) is torch.Tensor
        and type(p.data) is torch.Tensor
        and type(p.detach()) is torch.Tensor
    )
    twin = copy.deepcopy(p)
    assert type(twin) is nn.Parameter and twin.data_ptr() != p.data_ptr()
    assert type(pickle.loads(pickle.dumps(p))) is nn.Parameter
    assert nn.Parameter().numel() == 0
    with torch.no_grad():
        assert nn.Parameter(data).requires_grad


# ---- utilities -----------------------------------------------------------------------------------

def test_clipping_and_vectors():
    torch.manual_seed(0)  # gradients large enough to be clipped
    net = Net()
    net(torch.ones(4, 2)).sum().backward()
    before = torch.cat([p.grad.reshape(-1) for p in net.parameters()]).norm()
    total = nn.utils.clip_grad_norm_(net.parameters(), 0.1)
    after = torch.cat([p.grad.reshape(-1) for p in net.parameters()]).norm()
    assert abs(total.item() - before.item()) < 1e-5 and abs(after.item() - 0.1) < 1e-5
    nn.utils.clip_grad_value_(net.parameters(), 0.01)
    assert max(p.grad.abs().max().item() for p in net.parameters()) <= 0.0100001
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.shape == (sum(p.numel() for p in net.parameters()),)
    nn.utils.vector_to_parameters(torch.zeros_like(vector), net.parameters())
    assert net.scale.abs().sum().item() == 0


def test_legacy_reduction():
    with pytest.warns(UserWarning, match="size_average and reduce args will be deprecated"):
        assert nn.MSELoss(size_average=False).reduction == "sum"
