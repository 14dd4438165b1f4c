"""torch.jit, torch.compile and their kin run things as they are; pytrees, hub, profiler,
TensorBoard, overrides."""

import copy
import json
import pickle
import typing
from collections import OrderedDict, namedtuple

import pytest

import flambeau as torch
from flambeau.utils import _pytree as pytree


class Net(torch.nn.Module):
    scale: torch.jit.Final[int]

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)
        self.scale = 2

    def forward(self, x):
        if torch.jit.is_scripting():
            raise AssertionError
        return self.helper(self.layer(x)) * self.scale

    @torch.jit.export
    def helper(self, x):
        return x + 1

    @torch.jit.ignore
    def ignored(self):
        return 5

    @torch.jit.ignore(drop=True)
    def dropped(self):
        return 6

    @torch.jit.unused
    def never(self):
        return 7


def test_script():
    @torch.jit.script
    def add(a, b: int):
        """Adds."""
        return a + b

    assert add(torch.ones(1), 2).item() == 3.0 and add.__doc__ == "Adds." and add.name == "add"
    assert isinstance(add, torch.jit.ScriptFunction)
    model = Net()
    scripted = torch.jit.script(model)
    x = torch.ones(1, 2)
    assert torch.equal(scripted(x), model(x)) and scripted.ignored() == 5
    assert isinstance(scripted, torch.jit.ScriptModule) and isinstance(scripted, Net)
    assert (scripted.dropped(), scripted.never(), scripted.original_name) == (6, 7, "Net")
    assert list(scripted.state_dict()) == list(model.state_dict())
    scripted.eval()
    assert not model.training and scripted.layer is model.layer
    for call in (
        lambda: scripted.save("x.pt"),
        lambda: add.save("x.pt"),
        lambda: add.graph,
        lambda: torch.jit.save(scripted, "x.pt"),
        lambda: torch.jit.load("x.pt"),
    ):
        with pytest.raises(NotImplementedError, match="Flambeau has no torch.jit"):
            call()
    with pytest.raises(RuntimeError, match="cannot be compiled since it inherits from nn.Module"):
        torch.jit.script(Net)
    assert torch.jit.freeze(scripted) is scripted


def test_trace():
    calls = []

    def function(x):
        calls.append(x.shape)
        return x * 2

    traced = torch.jit.trace(function, torch.ones(3))
    assert calls == [(3,)] and traced(torch.ones(1)).item() == 2.0
    assert torch.jit.trace(Net(), (torch.ones(1, 2),)).scale == 2
    with pytest.raises(RuntimeError):
        torch.jit.trace(Net(), torch.ones(1, 3))


def test_small_names_of_jit():
    assert torch.jit.annotate(typing.List[int], [1]) == [1]
    assert torch.jit.isinstance([1], typing.List[int])
    assert not torch.jit.isinstance(["a"], typing.List[int])
    assert torch.jit.isinstance({"a": torch.ones(1)}, typing.Dict[str, torch.Tensor])
    assert torch.jit.isinstance(None, typing.Optional[int])
    assert torch.jit.isinstance((1, "a"), typing.Tuple[int, str])
    assert torch.jit.wait(torch.jit.fork(lambda x: x + 1, 2)) == 3
    assert not torch.jit.is_tracing()
    with torch.jit.optimized_execution(True):
        pass


def test_compile():
    def function(x):
        return x

    assert torch.compile(function) is function
    assert torch.compile(function, mode="max-autotune", fullgraph=True) is function
    assert torch.compile(backend="eager", dynamic=False)(function) is function
    assert torch.compile(Net, disable=True) is Net
    with pytest.raises(TypeError):
        torch.compile(function, frobnicate=True)
    with pytest.raises(RuntimeError, match="Either mode or options"):
        torch.compile(function, mode="default", options={})
    assert not torch.compiler.is_compiling() and not torch._dynamo.is_compiling()
    assert torch.compiler.disable(function) is function
    assert torch._dynamo.disable()(function) is function
    assert torch._dynamo.optimize("inductor")(function) is function
    torch._dynamo.config.suppress_errors = True
    torch._dynamo.reset()
    torch._inductor.config.triton.cudagraphs = True


Point = namedtuple("Point", "x y")


def test_pytree():
    tree = {"a": [1, (2, 3)], "b": Point(4, OrderedDict(c=5)), "d": None}
    leaves, spec = pytree.tree_flatten(tree)
    assert leaves == [1, 2, 3, 4, 5, None] and spec.num_leaves == 6
    assert pytree.tree_unflatten(leaves, spec) == tree
    doubled = pytree.tree_map_only(int, lambda x: 2 * x, tree)
    assert doubled == {"a": [2, (4, 6)], "b": Point(8, OrderedDict(c=10)), "d": None}
    assert pytree.tree_map(lambda a, b: a + b, [1, (2,)], [10, (20,)]) == [11, (22,)]
    assert str(pytree.tree_structure([1, (2,)])) == (
        "TreeSpec(list, None, [*,\n  TreeSpec(tuple, None, [*])])"
    )
    assert pytree.tree_any(lambda x: x == 2, [1, [2]]) and not pytree.tree_all(bool, [0, 1])
    assert pytree.tree_leaves([1, [2]], is_leaf=lambda x: isinstance(x, list) and len(x) == 1) == [
        1,
        [2],
    ]
    paths = [pytree.keystr(path) for path, _ in pytree.tree_leaves_with_path(tree)]
    assert paths == ["['a'][0]", "['a'][1][0]", "['a'][1][1]", "['b'].x", "['b'].y['c']", "['d']"]
    with pytest.raises(ValueError, match="has length 1 but the spec refers to a pytree"):
        pytree.tree_unflatten([1], spec)
    with pytest.raises(ValueError, match="arity mismatch"):
        pytree.tree_map(lambda a, b: a, [1, 2], [1])

    class Box:
        def __init__(self, value):
            self.value = value

    pytree.register_pytree_node(
        Box, lambda box: ([box.value], None), lambda values, context: Box(values[0])
    )
    assert pytree.tree_map(lambda x: x + 1, Box(1)).value == 2


def test_hub(tmp_path, monkeypatch):
    (tmp_path / "hubconf.py").write_text(
        "dependencies = ['json']\nimport helper_of_hub\n"
        "def net(size, pretrained=False):\n    'A net.'\n    return size, pretrained\n"
    )
    (tmp_path / "helper_of_hub.py").write_text("")
    load = torch.hub.load
    assert load(str(tmp_path), "net", 3, pretrained=True, source="local") == (3, True)
    assert torch.hub.list(str(tmp_path), source="local") == ["net"]
    assert torch.hub.help(str(tmp_path), "net", source="local") == "A net."
    with pytest.raises(RuntimeError, match="Cannot find callable nothing in hubconf"):
        load(str(tmp_path), "nothing", source="local")
    with pytest.raises(ValueError, match='Unknown source: "web"'):
        load(str(tmp_path), "net", source="web")
    monkeypatch.setattr(torch.hub, "_dir", None)
    torch.hub.set_dir(str(tmp_path / "hub"))
    with pytest.raises(RuntimeError, match="git clone https://github.com/me/repo"):
        load("me/repo", "net")
    cached = tmp_path / "hub" / "me_repo_main"
    cached.mkdir(parents=True)
    (cached / "hubconf.py").write_text("def net():\n    return 7\n")
    assert load("me/repo", "net") == 7


def test_states_from_an_address(tmp_path):
    torch.save({"w": torch.ones(2)}, tmp_path / "source.safetensors")
    address = (tmp_path / "source.safetensors").as_uri()
    folder = tmp_path / "checkpoints"
    for _ in range(2):
        state = torch.hub.load_state_dict_from_url(address, str(folder), progress=False)
        assert state["w"].tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="invalid hash value"):
        torch.hub.download_url_to_file(address, str(tmp_path / "copy"), hash_prefix="zz")
    assert [p.name for p in folder.iterdir()] == ["source.safetensors"]
    assert not (tmp_path / "copy").exists()


def test_profiler(tmp_path):
    from flambeau.profiler import ProfilerActivity, profile, record_function, schedule

    model = torch.nn.Linear(4, 4)
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as prof:
        with record_function("forward"):
            y = model(torch.ones(2, 4))
        y.sum().backward()
    found = {event.key: event for event in prof.key_averages()}
    assert found["forward"].count == 1 and found["aten::linear"].count == 1
    assert found["forward"].cpu_time_total >= found["aten::linear"].cpu_time_total
    text = prof.key_averages().table(sort_by="cpu_time_total", row_limit=5)
    assert "# of Calls" in text and "forward" in text and "Self CPU time total" in text
    prof.export_chrome_trace(str(tmp_path / "trace.json"))
    names = {e["name"] for e in json.loads((tmp_path / "trace.json").read_text())["traceEvents"]}
    assert {"forward", "aten::linear"} <= names
    ready = []
    with profile(
        schedule=schedule(wait=1, warmup=1, active=2, repeat=1),
        on_trace_ready=lambda p: ready.append(p.step_num),
    ) as prof:
        for _ in range(6):
            torch.ones(2) + 1
            prof.step()
    assert ready == [4]
    assert {e.name for e in prof.events()} >= {"aten::add", "ProfilerStep#2", "ProfilerStep#3"}
    torch.ones(2) + 1
    with torch.autograd.profiler.profile() as prof:
        torch.ones(2).mul(2)
    assert "aten::mul" in str(prof) and prof.self_cpu_time_total > 0


def test_tensorboard_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    from flambeau.utils.tensorboard import SummaryWriter

    with pytest.raises(ModuleNotFoundError, match="pip install tensorboardX"):
        SummaryWriter("x")


def test_overrides():
    from flambeau import overrides

    class Like:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return func.__name__

    assert overrides.is_tensor_like(Like()) and overrides.is_tensor_like(torch.ones(1))
    assert overrides.has_torch_function((1, Like())) and not overrides.has_torch_function((1,))

    @overrides.wrap_torch_function(lambda x: (x,))
    def public(x):
        return 1

    assert public(3) == 1 and public(Like()) == "public"


def test_compiled_modules_are_wrapped():
    plain = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Dropout(0.5))
    model = torch.compile(plain, options={"triton.cudagraphs": True})
    assert isinstance(model, torch._dynamo.OptimizedModule) and model._orig_mod is plain
    assert list(model.state_dict()) == ["_orig_mod.0.weight", "_orig_mod.0.bias"]
    assert repr(model).startswith("OptimizedModule(\n  (_orig_mod): Sequential(")
    assert torch.compile(model)._orig_mod is plain and len(model) == 2
    model.eval()
    assert not plain.training and not plain[1].training and not model.training
    model.note = 3
    assert plain.note == 3 and "note" not in vars(model)
    del model.note
    assert not hasattr(plain, "note")
    x = torch.ones(1, 2)
    assert torch.equal(model(x), plain(x))
    assert [p is q for p, q in zip(model.parameters(), plain.parameters())] == [True, True]
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert type(again) is type(model) and torch.equal(again(x), model(x))
        again.load_state_dict(model.state_dict())
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        model.nothing
