"""What a module does as a graph of steps, to look at and to change (source: torch.fx).

symbolic_trace runs a module once on proxies, which write down what is done to them; a GraphModule
writes a forward from the graph.
"""

_HOMES = {
    **dict.fromkeys(("Graph", "PythonCode"), "graph"),
    **dict.fromkeys(("Node", "map_arg"), "node"),
    **dict.fromkeys(("Proxy", "TraceError", "Attribute"), "proxy"),
    **dict.fromkeys(("Tracer", "symbolic_trace", "wrap"), "_symbolic_trace"),
    **dict.fromkeys(("Interpreter", "Transformer"), "interpreter"),
    "GraphModule": "graph_module",
    "replace_pattern": "subgraph_rewriter",
}
_MODULES = ("graph", "node", "proxy", "_symbolic_trace", "interpreter", "graph_module",
            "subgraph_rewriter")


def __getattr__(name):
    if name in _HOMES or name in _MODULES:
        home = _HOMES.get(name, name)
        module = __import__("flambeau.fx." + home, fromlist=["__name__"])
        return module if name == home else getattr(module, name)
    if name.startswith("__"):
        raise AttributeError(f"module 'flambeau.fx' has no attribute '{name}'")
    raise AttributeError(f"Flambeau has no torch.fx.{name} yet")
