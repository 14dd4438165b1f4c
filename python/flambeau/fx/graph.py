"""A list of steps, which code is written from (source: torch.fx.Graph)."""

import builtins
import contextlib
import inspect
import keyword
import math
import operator
import re
import typing
from types import UnionType

import flambeau
from flambeau.fx.node import Node, map_aggregate, map_arg, name_of, type_text

# Steps that code writes as Python does.
_WRITTEN = {
    operator.add: "{} + {}", operator.sub: "{} - {}", operator.mul: "{} * {}",
    operator.truediv: "{} / {}", operator.floordiv: "{} // {}", operator.mod: "{} % {}",
    operator.pow: "{} ** {}", operator.matmul: "{} @ {}", operator.lt: "{} < {}",
    operator.le: "{} <= {}", operator.eq: "{} == {}", operator.ne: "{} != {}",
    operator.gt: "{} > {}", operator.ge: "{} >= {}", operator.and_: "{} & {}",
    operator.or_: "{} | {}", operator.xor: "{} ^ {}", operator.lshift: "{} << {}",
    operator.rshift: "{} >> {}", operator.neg: "-{}", operator.pos: "+{}",
    operator.invert: "~{}", operator.getitem: "{}[{}]",
}


_WRITTEN_TYPES = {
    list: typing.List, dict: typing.Dict, set: typing.Set, frozenset: typing.FrozenSet,
    tuple: typing.Tuple,
}


class _Number(int):
    """Stands for a step in a pickled graph."""


def _graph_of(steps, tracer_cls):
    """The graph that Graph.__reduce__ wrote down."""
    graph, nodes = Graph(tracer_cls=tracer_cls), []
    for op, target, args, kwargs, name, kind in steps:
        args, kwargs = (
            map_aggregate(a, lambda x: nodes[x] if type(x) is _Number else x)
            for a in (args, kwargs)
        )
        nodes.append(graph.create_node(op, target, args, kwargs, name, kind))
    return graph


class Graph:
    """Steps in order: a program builds one by placeholder, call_function and the like, or changes
    one that symbolic_trace found. lint() checks it."""

    def __init__(self, owning_module=None, tracer_cls=None, tracer_extras=None):
        self._root = Node(self, "", "root", "", (), {})
        self._insert = self._root.prepend
        self.owning_module, self._tracer_cls = owning_module, tracer_cls
        self._used, self._globals = set(), {}

    # ---- steps ----

    @property
    def nodes(self):
        return NodeList(self)

    def find_nodes(self, *, op, target=None, sort=True):
        return [n for n in self.nodes if n.op == op and (target is None or n.target == target)]

    def _name(self, candidate):
        candidate = re.sub("[^0-9a-zA-Z_]+", "_", candidate) or "_unnamed"
        if candidate[0].isdigit():
            candidate = "_" + candidate
        found = re.match(r"(.*)_(\d+)$", candidate)
        base, number = (found[1], int(found[2])) if found else (candidate, 0)
        while candidate in self._used or _is_illegal(candidate):
            number += 1
            candidate = f"{base}_{number}"
        self._used.add(candidate)
        return candidate

    def create_node(self, op, target, args=None, kwargs=None, name=None, type_expr=None):
        """Adds a step where the graph inserts, at its end unless told otherwise."""
        if name is None:
            name = target if isinstance(target, str) else target.__name__
            name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        node = Node(self, self._name(name), op, target, args or (), kwargs or {}, type_expr)
        self._insert(node)
        return node

    def placeholder(self, name, type_expr=None, default_value=inspect.Parameter.empty):
        args = () if default_value is inspect.Parameter.empty else (default_value,)
        return self.create_node("placeholder", name, args, type_expr=type_expr)

    def get_attr(self, qualified_name, type_expr=None):
        return self.create_node("get_attr", qualified_name, type_expr=type_expr)

    def call_module(self, module_name, args=None, kwargs=None, type_expr=None):
        return self.create_node("call_module", module_name, args, kwargs, type_expr=type_expr)

    def call_method(self, method_name, args=None, kwargs=None, type_expr=None):
        return self.create_node("call_method", method_name, args, kwargs, type_expr=type_expr)

    def call_function(self, the_function, args=None, kwargs=None, type_expr=None, name=None):
        return self.create_node("call_function", the_function, args, kwargs, name, type_expr)

    def output(self, result, type_expr=None):
        return self.create_node("output", "output", (result,), type_expr=type_expr)

    def output_node(self):
        return next(n for n in reversed(self.nodes) if n.op == "output")

    def erase_node(self, to_erase):
        """Drops a step. RuntimeError where its result is used."""
        if to_erase.users:
            raise RuntimeError(f"Tried to erase Node {to_erase} but it still had "
                               f"{len(to_erase.users)} users in the graph: {to_erase.users}!")
        to_erase._remove()
        to_erase._erased = True
        to_erase._set((), {})

    def eliminate_dead_code(self, is_impure_node=None):
        """Drops the steps whose results nobody uses; whether there were any."""
        before = len(self.nodes)
        for node in reversed(self.nodes):
            if not (is_impure_node or Node.is_impure)(node) and not node.users:
                self.erase_node(node)
        return len(self.nodes) < before

    @contextlib.contextmanager
    def _inserting(self, insert):
        before, self._insert = self._insert, insert
        try:
            yield
        finally:
            self._insert = before

    def inserting_before(self, n=None):
        """Within, new steps come before n (none: first)."""
        return self._inserting((n or self._root._next).prepend)

    def inserting_after(self, n=None):
        """Within, new steps come behind n (none: first), one after another."""
        following = (n or self._root)._next
        return self._inserting(following.prepend)

    def node_copy(self, node, arg_transform=lambda x: x):
        """Adds a copy of another graph's step."""
        args, kwargs = (map_arg(a, arg_transform) for a in (node.args, node.kwargs))
        copy = self.create_node(node.op, node.target, args, kwargs, node.name, node.type)
        copy.meta = dict(node.meta)
        return copy

    def graph_copy(self, g, val_map, return_output_node=False):
        """Adds copies of all steps of g but the output, whose value is returned."""
        for node in g.nodes:
            if node in val_map:
                continue
            if node.op == "output":
                return map_arg(node.args[0], val_map.__getitem__)
            val_map[node] = self.node_copy(node, val_map.__getitem__)
        return None

    def __deepcopy__(self, memo=None):
        copy, known = Graph(tracer_cls=self._tracer_cls), {}
        copy._globals = dict(self._globals)
        result = copy.graph_copy(self, known)
        if any(n.op == "output" for n in self.nodes):
            copy.output(result)
        return copy

    def __reduce__(self):
        numbers = {n: _Number(i) for i, n in enumerate(self.nodes)}
        steps = [
            (n.op, n.target, *(map_arg(a, numbers.get) for a in (n.args, n.kwargs)), n.name, n.type)
            for n in self.nodes
        ]
        return _graph_of, (steps, self._tracer_cls)

    def lint(self):
        """RuntimeError where a step uses a later one, or two have one name."""
        seen, names = set(), set()
        for node in self.nodes:
            for used in node.all_input_nodes:
                if used not in seen:
                    raise RuntimeError(f"Argument '{used}' of Node '{node}' was used before it has "
                                       "been defined! Please check that Nodes in the graph are "
                                       f"topologically ordered\n{self}")
            if node.name in names:
                raise RuntimeError(f"Node redefined name {node.name}!")
            seen.add(node)
            names.add(node.name)

    # ---- text ----

    def __str__(self):
        return "graph():" + "".join("\n    " + n.format_node() for n in self.nodes)

    def print_tabular(self):
        rows = [("opcode", "name", "target", "args", "kwargs")]
        rows += [tuple(map(str, (n.op, n.name, n.target, n.args, n.kwargs))) for n in self.nodes]
        widths = [max(map(len, column)) for column in zip(*rows)]
        rows.insert(1, tuple("-" * w for w in widths))
        for row in rows:
            print("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip())

    def python_code(self, root_module="self"):
        """The code of forward, and what its names mean."""
        writer = _Writer(self, root_module)
        return PythonCode(writer.text(), writer.globals)


class PythonCode:
    def __init__(self, src, globals):
        self.src, self.globals = src, globals


class NodeList:
    """The steps of a graph, which may be changed while one walks along."""

    def __init__(self, graph, forward=True):
        self._graph, self._forward = graph, forward

    def __iter__(self):
        root = self._graph._root
        at = root._next if self._forward else root._prev
        while at is not root:
            if not at._erased:
                yield at
            at = at._next if self._forward else at._prev

    def __reversed__(self):
        return NodeList(self._graph, not self._forward)

    def __len__(self):
        return sum(1 for _ in self)


def _is_illegal(name):
    return keyword.iskeyword(name) or hasattr(builtins, name) or name in (
        "inf", "nan", "NoneType", "torch", "device", "self")


class _Writer:
    """Writes a graph as a function."""

    def __init__(self, graph, root):
        self.graph, self.root = graph, root
        self.globals = {"torch": flambeau, "inf": math.inf, "nan": math.nan, "operator": operator,
                        "device": flambeau.device}

    def value(self, a):
        if isinstance(a, Node):
            return a.name
        if isinstance(a, tuple) and hasattr(a, "_fields"):
            return f"{self.named(type(a))}({', '.join(map(self.value, a))})"
        if isinstance(a, tuple):
            return "(" + ", ".join(map(self.value, a)) + (",)" if len(a) == 1 else ")")
        if isinstance(a, list):
            return "[" + ", ".join(map(self.value, a)) + "]"
        if isinstance(a, dict):
            return "{" + ", ".join(f"{k!r}: {self.value(v)}" for k, v in a.items()) + "}"
        if isinstance(a, slice):
            return f"slice({self.value(a.start)}, {self.value(a.stop)}, {self.value(a.step)})"
        return self.named(a) if callable(a) else repr(a)

    def named(self, function):
        """The name of a function or a type, which the code's globals have."""
        return self.known(
            type_text(function) if isinstance(function, type) else name_of(function), function)

    def known(self, text, value):
        if text.split(".")[0] in ("torch", "operator") and text.replace(".", "").isidentifier():
            return text
        name = re.sub("[^0-9a-zA-Z_]+", "_", text)
        self.globals[name] = value
        return name

    def annotation(self, kind):
        """How the code writes a type: typing.List[int] as typing_List[int]."""
        if isinstance(kind, UnionType):
            return "|".join(map(self.annotation, kind.__args__))
        origin = getattr(kind, "__origin__", None)
        if origin is None:
            plain = {(): "()", ...: "..."}.get(kind)
            return plain or self.known(type_text(kind), kind)
        if isinstance(kind, type(typing.List[int])):
            origin = _WRITTEN_TYPES.get(origin, origin)
        name = self.known(type_text(origin), origin)
        parts = ",".join(map(self.annotation, kind.__args__))
        return f"{name}[{parts}]" if parts else name

    def attribute(self, path):
        text = self.root
        for part in path.split("."):
            plain = part.isidentifier() and not keyword.iskeyword(part)
            text = f"{text}.{part}" if plain else f'getattr({text}, "{part}")'
        return text

    def arguments(self, args, kwargs):
        return ", ".join([*map(self.value, args),
                          *(f"{k} = {self.value(v)}" for k, v in kwargs.items())])

    def call(self, node):
        """The right side of a step's line."""
        args, kwargs = node.args, node.kwargs
        if node.op == "get_attr":
            return self.attribute(node.target)
        if node.op == "call_module":
            return f"{self.attribute(node.target)}({self.arguments(args, kwargs)})"
        if node.op == "call_method":
            return f"{self.value(args[0])}.{node.target}({self.arguments(args[1:], kwargs)})"
        if node.target in _WRITTEN and not kwargs:
            return _WRITTEN[node.target].format(*map(self.value, args))
        if node.target is getattr and isinstance(args[1], str) and args[1].isidentifier():
            return f"{self.value(args[0])}.{args[1]}"
        return f"{self.named(node.target)}({self.arguments(args, kwargs)})"

    def parameter(self, node):
        text = node.target
        if node.type is not None:
            text += f" : {self.annotation(node.type)}"
        return text + (f" = {self.value(node.args[0])}" if node.args else "")

    def text(self):
        last, parameters, lines = {}, [self.root], []
        for node in self.graph.nodes:
            for used in node.all_input_nodes:
                last[used] = node
        for node in self.graph.nodes:
            done = [used.name for used in node.all_input_nodes if last[used] is node]
            if node.op == "placeholder":
                parameters.append(self.parameter(node))
                name = node.target.lstrip("*")
                if name != node.name:
                    lines.append(f"{node.name} = {name}")
                continue
            if node.op == "output":
                lines.append(f"return {self.value(node.args[0])}")
                continue
            if not node.users:
                done.append(node.name)
            ends = f";  {' = '.join(done)} = None" if done else ""
            lines.append(f"{node.name} = {self.call(node)}{ends}")
        body = "".join(f"\n    {line}" for line in lines) or "\n    pass"
        return f"\n\n\ndef forward({', '.join(parameters)}):{body}\n    "


