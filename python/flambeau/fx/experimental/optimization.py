"""Graphs made cheaper for inference (source: torch.fx.experimental.optimization)."""
from __future__ import annotations

import copy

from flambeau import fx, nn
from flambeau.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["fuse", "matches_module_pattern", "remove_dropout", "replace_node_module"]


def matches_module_pattern(pattern, node, modules):
    """Whether a node and the one that feeds it call modules of exactly these two classes."""
    if len(node.args) == 0:
        return False
    for kind, current in zip(pattern, (node.args[0], node)):
        if not isinstance(current, fx.Node) or current.op != "call_module":
            return False
        if type(modules.get(current.target)) is not kind:
            return False
    return True


def replace_node_module(node, modules, new_module):
    """Puts a module in the place of the one that a node calls."""
    parent, _, name = node.target.rpartition(".")
    modules[node.target] = new_module
    setattr(modules[parent], name, new_module)


def fuse(model, inplace=False, no_trace=False):
    """The traced model, its convolutions joined with the batch norms behind them where nothing else
    reads what they give. RuntimeError while a norm trains."""
    patterns = [
        (nn.Conv1d, nn.BatchNorm1d),
        (nn.Conv2d, nn.BatchNorm2d),
        (nn.Conv3d, nn.BatchNorm3d),
    ]
    if not inplace:
        model = copy.deepcopy(model)
    traced = model if no_trace and isinstance(model, fx.GraphModule) else fx.symbolic_trace(model)
    modules, graph = dict(traced.named_modules()), copy.deepcopy(traced.graph)
    for pattern in patterns:
        for node in list(graph.nodes):
            if not matches_module_pattern(pattern, node, modules) or len(node.args[0].users) > 1:
                continue
            bn = modules[node.target]
            if not bn.track_running_stats:
                continue
            replace_node_module(
                node.args[0], modules, fuse_conv_bn_eval(modules[node.args[0].target], bn)
            )
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    return fx.GraphModule(traced, graph)


def remove_dropout(model):
    """The traced model without its dropout layers."""
    traced = fx.symbolic_trace(model)

    class Remover(fx.Transformer):
        def call_module(self, target, args, kwargs):
            if isinstance(self.submodules[target], nn.Dropout):
                return args[0]
            return super().call_module(target, args, kwargs)

    return Remover(traced).transform()
