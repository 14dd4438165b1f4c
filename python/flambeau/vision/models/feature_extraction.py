"""Models that return what their inner steps compute (source:
torchvision.models.feature_extraction).

A step is named by the path of the module that takes it: "layer1.0.conv1" for a layer, "layer1.0.add"
for a function inside one; "relu_1" is the second of its name there. A module's path names the last
step that it takes.
"""
from __future__ import annotations

from collections import OrderedDict

from flambeau import fx, nn
from flambeau.vision import ops

__all__ = ["create_feature_extractor", "get_graph_node_names"]


def _operators():
    """The modules of torchvision.ops, each of which is one step."""
    return [kind for kind in vars(ops).values()
            if isinstance(kind, type) and issubclass(kind, nn.Module)]


class _NamingTracer(fx.Tracer):
    """Notes each step's name."""

    def __init__(self, leaf_modules=None, autowrap_functions=()):
        super().__init__(autowrap_functions=tuple(autowrap_functions))
        self.leaves = (*_operators(), *(leaf_modules or ()))
        self.paths, self.names, self._at = {}, {}, ""

    def is_leaf_module(self, m, module_qualified_name):
        return isinstance(m, self.leaves) or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m, forward, args, kwargs):
        before, self._at = self._at, self.path_of_module(m)
        try:
            return super().call_module(m, forward, args, kwargs)
        finally:
            self._at = before

    def create_node(self, kind, target, args, kwargs, name=None, type_expr=None):
        node = super().create_node(kind, target, args, kwargs, name, type_expr)
        path = self._at
        if kind == "call_module":
            path = target
        elif kind == "get_attr":
            path = f"{path}.{node.name}" if path else node.name
        elif kind in ("call_function", "call_method"):
            last = target if isinstance(target, str) else target.__name__
            last = last.strip("_") if kind == "call_function" else last
            path = f"{path}.{last}" if path else last
        else:
            path = node.name
        self.names[node] = self._unused(path)
        return node

    def _unused(self, path):
        count = self.paths[path] = self.paths.get(path, -1) + 1
        return f"{path}_{count}" if count else path


def _trace(model, train, options):
    before = {m: m.training for m in model.modules()}
    model.train(train)
    tracer = _NamingTracer(**(options or {}))
    try:
        return tracer, tracer.trace(model)
    finally:
        for m, training in before.items():
            m.training = training


def get_graph_node_names(model, tracer_kwargs=None, suppress_diff_warning=False, concrete_args=None):
    """The names of a model's steps, in order: in training and in evaluation."""
    return tuple(
        [name for node, name in _trace(model, train, tracer_kwargs)[0].names.items()
         if node.op != "output"]
        for train in (True, False)
    )


def _wanted(return_nodes):
    if isinstance(return_nodes, (list, tuple)):
        return OrderedDict((str(name), str(name)) for name in return_nodes)
    return OrderedDict((str(name), str(shown)) for name, shown in return_nodes.items())


def _extract(model, train, wanted, options):
    """A GraphModule that returns the wanted steps' values in a dict."""
    tracer, graph = _trace(model, train, options)
    found = {}
    for node, name in tracer.names.items():
        for path in wanted:
            if name == path or name.startswith(path + "."):
                found[path] = node
    for path in wanted:
        if path not in found:
            raise ValueError(f"node: '{path}' is not present in model. Hint: use "
                             "`get_graph_node_names` to make sure the `return_nodes` you specified "
                             "are present. It may even be that you need to specify `train_return_nodes` "
                             "and `eval_return_nodes` separately.")
    graph.erase_node(graph.output_node())
    graph.output({shown: found[path] for path, shown in wanted.items()})
    graph.eliminate_dead_code()
    return fx.GraphModule(tracer.root, graph, type(model).__name__)


class _Extractor(nn.Module):
    """Runs one graph in training, the other in evaluation, over the same layers."""

    def __init__(self, training_graph, evaluation_graph, name):
        super().__init__()
        type(self).__name__ = name
        for key, value in training_graph._modules.items():
            self.add_module(key, value)
        for key, value in training_graph._parameters.items():
            self.register_parameter(key, value)
        for key, value in training_graph._buffers.items():
            self.register_buffer(key, value)
        for key, value in evaluation_graph._modules.items():
            if key not in self._modules:
                self.add_module(key, value)
        self._forwards = type(evaluation_graph).forward, type(training_graph).forward

    def forward(self, *args, **kwargs):
        return self._forwards[self.training](self, *args, **kwargs)


def create_feature_extractor(model, return_nodes=None, train_return_nodes=None,
                             eval_return_nodes=None, tracer_kwargs=None,
                             suppress_diff_warning=False, concrete_args=None):
    """A module that returns {name: value} for steps of the model, given as {step: name} or as a
    list, and runs no step that they do not need. ValueError for steps that the model has not."""
    if return_nodes is None and (train_return_nodes is None or eval_return_nodes is None):
        raise ValueError("Either `return_nodes` or `train_return_nodes` and `eval_return_nodes` "
                         "together, should be specified")
    if return_nodes is not None and (train_return_nodes or eval_return_nodes):
        raise ValueError("If `train_return_nodes` and `eval_return_nodes` are specified, then both "
                         "should be specified")
    training = _extract(model, True, _wanted(return_nodes or train_return_nodes), tracer_kwargs)
    evaluation = _extract(model, False, _wanted(return_nodes or eval_return_nodes), tracer_kwargs)
    made = type("Extractor", (_Extractor,), {"__module__": __name__})
    return made(training, evaluation, type(model).__name__).train(model.training)
