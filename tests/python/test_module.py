"""nn.Module: registration, attributes, trees, copies.

Every expectation here is PyTorch's behaviour: with `flambeau` replaced by `torch`, here and in
nets.py, the file passes as it is.
"""
import copy
import gc
import pickle
import weakref
from collections import OrderedDict

import pytest

import flambeau as torch
from nets import Net, Scaled

nn = torch.nn


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


def test_plain_attributes_are_deleted():
    m = torch.nn.Linear(1, 1)
    m.number, m.values, m.requires_other = 3, torch.ones(2), True
    for name in ("number", "values", "requires_other"):
        delattr(m, name)
        assert not hasattr(m, name)
    with pytest.raises(AttributeError):
        del m.number


def test_annotations_of_a_model_can_be_read():
    """As transformers does of every class of models."""
    import typing

    class Model(torch.nn.Module):
        size: int

    assert typing.get_type_hints(Model) == {"size": int}
