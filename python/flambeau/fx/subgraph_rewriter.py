"""Parts of a graph that look like a pattern, replaced by another (source:
torch.fx.subgraph_rewriter).

A pattern is a function whose parameters stand for anything. It is laid on the graph from its results
backwards: a step matches one of the same kind and target with matching arguments. What a match holds
may be used elsewhere only where the pattern returns it.
"""

import copy
from dataclasses import dataclass, field
from typing import NamedTuple

from flambeau import _C
from flambeau.fx._symbolic_trace import symbolic_trace
from flambeau.fx.graph import Graph
from flambeau.fx.graph_module import GraphModule, _find, _put
from flambeau.fx.node import Node
from flambeau.nn.modules.module import Module

__all__ = ["Match", "ReplacedPatterns", "replace_pattern", "replace_pattern_with_filters"]


class Match(NamedTuple):
    """A match that was replaced: the pattern's last step, and the graph's node for each of the pattern's."""

    anchor: Node
    nodes_map: dict


@dataclass
class ReplacedPatterns:
    """A Match, and the steps that stand in its place."""

    anchor: Node
    nodes_map: dict
    replacements: list


@dataclass
class InternalMatch:
    """What filters and callbacks get to see: the pattern's last steps, and the graph's nodes for the
    pattern's, for its parameters and for its results."""

    anchors: list
    nodes_map: dict = field(default_factory=dict)
    placeholder_nodes: list = field(default_factory=list)
    returning_nodes: list = field(default_factory=list)


def _graph_of(code):
    if isinstance(code, Graph):
        return code
    return code.graph if isinstance(code, GraphModule) else symbolic_trace(code).graph


class _Matcher:
    """Finds a pattern in a graph. literals False: numbers and strings match any others."""

    def __init__(self, pattern, literals):
        self.pattern, self.literals = pattern, literals
        self.returned = pattern.output_node().all_input_nodes
        for n in pattern.nodes:
            if not n.users and not n.is_impure():
                raise AssertionError("SubgraphMatcher cannot be initialized with an pattern with"
                                     " dead code")
        self.anchors = [n for n in self.returned if len(n.users) == 1]

    def matches(self, graph):
        """Those that do not overlap, in the graph's order."""
        taken = set()
        for found in self._place(list(graph.nodes), self.anchors, {}) if self.anchors else ():
            steps = {g for p, g in found.items() if p.op != "placeholder"}
            if steps & taken or not self._is_closed(found, steps):
                continue
            taken |= steps
            yield InternalMatch(
                self.anchors, found,
                [found[p] for p in self.pattern.nodes if p.op == "placeholder" and p in found],
                [found[p] for p in self.returned],
            )

    def _place(self, nodes, anchors, found):
        if not anchors:
            yield found
            return
        for g in nodes:
            more = dict(found)
            if self._fits(anchors[0], g, more):
                yield from self._place(nodes, anchors[1:], more)

    def _is_closed(self, found, steps):
        return all(user in steps for p, g in found.items()
                   if p.op != "placeholder" and p not in self.returned for user in g.users)

    def _fits(self, p, g, found):
        """Whether g, of the graph, matches p, of the pattern; `found` grows."""
        if isinstance(p, Node):
            if p in found:
                return found[p] is g or not isinstance(g, Node) and found[p] == g
            if p.op != "placeholder" and not (isinstance(g, Node) and self._same_step(p, g)):
                return False
            found[p] = g
            return p.op == "placeholder" or (
                self._fits(p.args, g.args, found) and self._fits(p.kwargs, g.kwargs, found))
        if isinstance(g, Node):
            return False
        if isinstance(p, (tuple, list)):
            return (isinstance(g, (tuple, list)) and len(p) == len(g)
                    and all(self._fits(a, b, found) for a, b in zip(p, g)))
        if isinstance(p, dict):
            return (isinstance(g, dict) and p.keys() == g.keys()
                    and all(self._fits(p[k], g[k], found) for k in p))
        return not self.literals or (type(p) is type(g) and p == g)

    def _same_step(self, p, g):
        if p.op != g.op or p.op in ("placeholder", "output"):
            return False
        if p.op != "get_attr":
            return p.target == g.target
        values = [_find(n.graph.owning_module, n.target) for n in (p, g)]
        return type(values[0]) is type(values[1]) and isinstance(values[0], _C.Tensor)


def replace_pattern(gm, pattern, replacement):
    """Puts what `replacement` does in the place of everything in gm that looks like `pattern`: both
    functions, modules or graphs with as many parameters. A list of Match."""
    done = replace_pattern_with_filters(gm, pattern, replacement)
    return [Match(r.anchor, r.nodes_map) for r in done]


def replace_pattern_with_filters(gm, pattern, replacement=None, match_filters=None,
                                 ignore_literals=False, replacement_callback=None,
                                 node_name_match=""):
    """replace_pattern of those matches that all filters let pass: filter(match, graph, pattern's
    graph). replacement_callback: called in the same way, gives a match its own replacement. A list
    of ReplacedPatterns."""
    graph, pattern = gm.graph, _graph_of(pattern)
    common = None if replacement is None else _graph_of(replacement)
    if common is None and replacement_callback is None:
        raise AssertionError("Must provide either a replacement GraphModule or a replacement"
                             " callback")
    changed, done = {}, []  # node: what stands for it since a match before was replaced
    matches = [m for m in _Matcher(pattern, not ignore_literals).matches(graph)
               if all(passes(m, graph, pattern) for passes in match_filters or ())]
    for match in matches:
        text = replacement_callback(match, graph, pattern) if replacement_callback else common
        match.placeholder_nodes = [
            changed.get(g, g) if isinstance(g, Node) else g for g in match.placeholder_nodes
        ]
        added = _replace(graph, match, text, changed)
        for p in reversed(pattern.nodes):
            if p.op not in ("placeholder", "output"):
                graph.erase_node(match.nodes_map[p])
        done.append(ReplacedPatterns(match.anchors[0], match.nodes_map, added))
    gm.recompile()
    if isinstance(replacement, Module):
        _bring_attributes(gm, replacement)
    return done


def _replace(graph, match, text, changed):
    """Copies a replacement into the graph, before the first user of the match: the new steps."""
    parameters = [n for n in text.nodes if n.op == "placeholder"]
    if len(parameters) != len(match.placeholder_nodes):
        raise AssertionError(f"Placeholder count mismatch: {len(match.placeholder_nodes)} vs"
                             f" {len(parameters)}")
    known = dict(zip(parameters, match.placeholder_nodes))
    users = {user for g in match.returning_nodes for user in g.users}
    place = next((n for n in graph.nodes if n in users), None)
    with graph.inserting_before(place or match.returning_nodes[-1].next):
        results = graph.graph_copy(text, known)
    results = results if isinstance(results, (tuple, list)) else (results,)
    if len(results) != len(match.returning_nodes):
        raise AssertionError(f"Returning nodes count mismatch: {len(match.returning_nodes)} vs"
                             f" {len(results)}")
    for old, new in zip(match.returning_nodes, results):
        old.replace_all_uses_with(new)
        changed[old] = new
    return [n for p, n in known.items() if p.op != "placeholder"]


def _bring_attributes(gm, replacement):
    """Gives gm the modules and tensors that steps of the replacement name."""
    gm.delete_all_unused_submodules()
    for node in gm.graph.nodes:
        if node.op in ("call_module", "get_attr") and not gm._has(node.target):
            _put(gm, node.target, copy.deepcopy(_find(replacement, node.target)))
    gm.graph.lint()
