"""torch.fx: the graphs and the code that PyTorch 2.13 finds for the same modules."""
import copy
import operator
from typing import Dict, List, Optional, Tuple

import pytest

import flambeau as torch
from flambeau import fx, nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(2, 2)
        self.seq = nn.Sequential(nn.ReLU(), nn.Linear(2, 2))
        self.w = nn.Parameter(torch.ones(2))
        self.register_buffer('b', torch.zeros(2))

    def forward(self, x: torch.Tensor, y=None, *, k=2):
        z = self.seq(self.l(x)) + self.w * 2 - self.b
        a, b = z.chunk(2, dim=-1)
        q = torch.cat([a, b], dim=-1)[:, 0]
        return {'o': -q.relu().sum(dim=0), 's': z.size(0)}


GRAPH = """graph():
    %x : torch.Tensor [num_users=1] = placeholder[target=x]
    %y : [num_users=0] = placeholder[target=y](default=None)
    %k : [num_users=0] = placeholder[target=k](default=2)
    %l : [num_users=1] = call_module[target=l](args = (%x,), kwargs = {})
    %seq_0 : [num_users=1] = call_module[target=seq.0](args = (%l,), kwargs = {})
    %seq_1 : [num_users=1] = call_module[target=seq.1](args = (%seq_0,), kwargs = {})
    %w : [num_users=1] = get_attr[target=w]
    %mul : [num_users=1] = call_function[target=operator.mul](args = (%w, 2), kwargs = {})
    %add : [num_users=1] = call_function[target=operator.add](args = (%seq_1, %mul), kwargs = {})
    %b : [num_users=1] = get_attr[target=b]
    %sub : [num_users=2] = call_function[target=operator.sub](args = (%add, %b), kwargs = {})
    %chunk : [num_users=2] = call_method[target=chunk](args = (%sub, 2), kwargs = {dim: -1})
    %getitem : [num_users=1] = call_function[target=operator.getitem](args = (%chunk, 0), kwargs = {})
    %getitem_1 : [num_users=1] = call_function[target=operator.getitem](args = (%chunk, 1), kwargs = {})
    %cat : [num_users=1] = call_function[target=torch.cat](args = ([%getitem, %getitem_1],), kwargs = {dim: -1})
    %getitem_2 : [num_users=1] = call_function[target=operator.getitem](args = (%cat, (slice(None, None, None), 0)), kwargs = {})
    %relu : [num_users=1] = call_method[target=relu](args = (%getitem_2,), kwargs = {})
    %sum_1 : [num_users=1] = call_method[target=sum](args = (%relu,), kwargs = {dim: 0})
    %neg : [num_users=1] = call_function[target=operator.neg](args = (%sum_1,), kwargs = {})
    %size : [num_users=1] = call_method[target=size](args = (%sub, 0), kwargs = {})
    return {'o': neg, 's': size}"""

CODE = """


def forward(self, x : torch.Tensor, y = None, k = 2):
    l = self.l(x);  x = None
    seq_0 = getattr(self.seq, "0")(l);  l = None
    seq_1 = getattr(self.seq, "1")(seq_0);  seq_0 = None
    w = self.w
    mul = w * 2;  w = None
    add = seq_1 + mul;  seq_1 = mul = None
    b = self.b
    sub = add - b;  add = b = None
    chunk = sub.chunk(2, dim = -1)
    getitem = chunk[0]
    getitem_1 = chunk[1];  chunk = None
    cat = torch.cat([getitem, getitem_1], dim = -1);  getitem = getitem_1 = None
    getitem_2 = cat[(slice(None, None, None), 0)];  cat = None
    relu = getitem_2.relu();  getitem_2 = None
    sum_1 = relu.sum(dim = 0);  relu = None
    neg = -sum_1;  sum_1 = None
    size = sub.size(0);  sub = None
    return {'o': neg, 's': size}
    """


def test_graph_and_code():
    model = Model()
    traced = fx.symbolic_trace(model)
    assert str(traced.graph) == GRAPH
    assert traced.code == CODE
    x = torch.randn(3, 2)
    assert torch.equal(traced(x)['o'], model(x)['o']) and traced(x)['s'] == 3
    assert type(traced).__name__ == 'Model' and isinstance(traced, fx.GraphModule)
    assert traced.l is model.l and traced.w is model.w
    assert set(traced.state_dict()) == set(model.state_dict())
    assert copy.deepcopy(traced).code == CODE
    assert model(x)['s'] == 3  # calls are no longer watched


def test_graph_is_changed():
    traced = fx.symbolic_trace(Model())
    graph = traced.graph
    for node in list(graph.nodes):
        if node.op == 'call_method' and node.target == 'relu':
            with graph.inserting_after(node):
                new = graph.call_function(torch.sigmoid, (node.args[0],))
            assert node.replace_all_uses_with(new)[0].name == 'sum_1'
            with pytest.raises(RuntimeError, match='still had 1 users'):
                graph.erase_node(new)
            graph.erase_node(node)
        elif node.target is operator.mul:
            node.target = operator.add
    graph.lint()
    traced.recompile()
    assert 'sigmoid = torch.sigmoid(getitem_2)' in traced.code and 'mul = w + 2' in traced.code
    assert traced(torch.zeros(3, 2))['s'] == 3
    graph.create_node('call_function', torch.sigmoid, (1.0,))
    assert graph.eliminate_dead_code() and not graph.eliminate_dead_code()


def test_built_by_hand_and_run_by_steps():
    graph = fx.Graph()
    x = graph.placeholder('x')
    graph.output(graph.call_function(torch.relu, (x,)))
    module = fx.GraphModule(nn.Module(), graph)
    assert module.code == '\n\n\ndef forward(self, x):\n    relu = torch.relu(x);  x = None\n' \
        '    return relu\n    '
    seen = []

    class Shapes(fx.Interpreter):
        def run_node(self, n):
            seen.append(n.name)
            return super().run_node(n)

    assert Shapes(module).run(torch.tensor([-1.0, 1.0])).tolist() == [0.0, 1.0]
    assert seen == ['x', 'relu', 'output']

    class Negated(fx.Transformer):
        def call_function(self, target, args, kwargs):
            return -super().call_function(target, args, kwargs)

    assert Negated(module).transform()(torch.tensor([2.0])).tolist() == [-2.0]


def count(x):
    return len(x)


fx.wrap('len')


def test_refusals_and_wrapped_functions():
    with pytest.raises(fx.proxy.TraceError, match='inputs to control flow'):
        fx.symbolic_trace(lambda x: x if x.sum() > 0 else -x)
    with pytest.raises(fx.proxy.TraceError, match='cannot be iterated'):
        fx.symbolic_trace(lambda x: list(x))
    traced = fx.symbolic_trace(count)
    assert traced.code.splitlines()[-2:] == ['    return len_1', '    ']
    assert traced([1, 2]) == 2 and count([1]) == 1


def test_leaves_are_a_tracers_choice():
    class Deep(fx.Tracer):
        def is_leaf_module(self, m, module_qualified_name):
            return False

    graph = Deep().trace(nn.Sequential(nn.ReLU(), nn.Flatten()))
    assert [n.op for n in graph.nodes] == ['placeholder', 'call_function', 'call_method', 'output']
    fixed = fx.symbolic_trace(lambda x, n: x.view(-1, n), concrete_args={'n': 2})
    assert 'view = x.view(-1, 2)' in fixed.code
    assert fixed(torch.ones(4), 2).shape == (2, 2)
    with pytest.raises(AssertionError, match='n has been specialized to have value 2'):
        fixed(torch.ones(4), 4)


def test_a_trace_within_a_trace_and_one_that_cannot_begin():
    class Outer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.part = torch.nn.Linear(2, 2)

        def forward(self, x):
            torch.fx.symbolic_trace(torch.nn.Sequential(torch.nn.ReLU()))
            return self.part(x)

    module = torch.nn.Module
    before = vars(module).get("__call__"), vars(module).get("__getattribute__")
    assert "self.part(x)" in torch.fx.symbolic_trace(Outer()).code
    names = {"__name__": "elsewhere"}
    exec("import flambeau.fx\nflambeau.fx.wrap('missing')", names)
    wrapped = torch.fx._symbolic_trace._wrapped
    try:
        with pytest.raises(AttributeError, match="missing"):
            torch.fx.symbolic_trace(torch.nn.ReLU())
    finally:
        wrapped.pop()
    assert (vars(module).get("__call__"), vars(module).get("__getattribute__")) == before


def test_annotations_are_written_as_types():
    def annotated(x: Optional[torch.Tensor], n: List[int], d: Dict[str, int], t: Tuple[int, ...],
                  u: "int | None" = None, p: int | float = 3):
        return x + p

    graph = fx.symbolic_trace(annotated)
    assert graph.code.split("\n")[3] == (
        "def forward(self, x : typing_Union[torch.Tensor,NoneType], n : typing_List[int], "
        "d : typing_Dict[str,int], t : typing_Tuple[int,...], u : _int_None_ = None, "
        "p : int|float = 3):"
    )
    assert "%x : typing.Optional[torch.Tensor] [num_users=1]" in str(graph.graph)
    assert graph(torch.ones(1), [], {}, ()) == 4


def test_replace_pattern():
    class Net(nn.Module):
        def forward(self, x, w):
            return torch.sigmoid(x) * w + torch.sigmoid(w) * x

    def swish(a, b):
        return torch.sigmoid(a) * b

    graph = fx.symbolic_trace(Net())
    matches = fx.replace_pattern(graph, swish, lambda a, b: torch.tanh(a) * b)
    assert [m.anchor.name for m in matches] == ["mul", "mul"]
    assert graph.code == """


def forward(self, x, w):
    tanh = torch.tanh(x)
    mul_2 = tanh * w;  tanh = None
    tanh_1 = torch.tanh(w);  w = None
    mul_3 = tanh_1 * x;  tanh_1 = x = None
    add = mul_2 + mul_3;  mul_2 = mul_3 = None
    return add
    """
    x, w = torch.tensor([0.5]), torch.tensor([2.0])
    assert graph(x, w) == x.tanh() * w + w.tanh() * x


def test_replace_pattern_leaves_what_is_used_elsewhere():
    def leaks(x):
        y = x.relu()
        return y.neg() + y

    graph = fx.symbolic_trace(leaks)
    assert fx.replace_pattern(graph, lambda x: x.relu().neg(), lambda x: x.abs()) == []
    done = fx.subgraph_rewriter.replace_pattern_with_filters(
        graph, lambda x: x.relu(), lambda x: x.abs(),
        match_filters=[lambda match, graph, pattern: match.placeholder_nodes[0].name == "x"])
    assert [n.name for n in done[0].replacements] == ["abs_1"]
    assert graph(torch.tensor([-2.0])) == 0


def test_replacement_brings_its_modules():
    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(2, 2)

        def forward(self, x):
            return self.inner(x)

    graph, layer = fx.symbolic_trace(lambda x: torch.relu(x) + 1), Layer()
    fx.replace_pattern(graph, lambda x: torch.relu(x), fx.symbolic_trace(layer))
    x = torch.ones(1, 2)
    assert torch.equal(graph(x), layer(x) + 1)


def test_shape_prop():
    from flambeau.fx.passes.shape_prop import ShapeProp

    graph = fx.symbolic_trace(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))
    ShapeProp(graph).propagate(torch.ones(4, 2))
    metas = [n.meta["tensor_meta"] for n in graph.graph.nodes]
    assert [tuple(m.shape) for m in metas] == [(4, 2), (4, 3), (4, 3), (4, 3)]
    assert metas[1].stride == (3, 1) and metas[1].requires_grad and not metas[0].requires_grad
    with pytest.raises(RuntimeError, match="ShapeProp error for: node=%_0"):
        ShapeProp(graph).propagate(torch.ones(4, 5))


def test_fuse_and_remove_dropout():
    from flambeau.fx.experimental.optimization import fuse, remove_dropout

    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2)).eval()
    model[1].running_mean.fill_(0.3)
    x = torch.rand(1, 1, 5, 5)
    fused = fuse(model)
    assert [node.op for node in fused.graph.nodes] == ["placeholder", "call_module", "output"]
    assert torch.allclose(fused(x), model(x), atol=1e-6) and len(model) == 2
    plain = remove_dropout(torch.nn.Sequential(torch.nn.Dropout(0.9), torch.nn.ReLU()))
    assert torch.equal(plain.train()(x), x)
