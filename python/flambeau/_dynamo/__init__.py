"""What programs set of PyTorch's compiler (source: torch._dynamo): accepted, without effect."""

from flambeau._dynamo import config  # noqa: F401
from flambeau.compiler import (  # noqa: F401
    _mark,
    allow_in_graph,
    assume_constant_result,
    disable,
    is_compiling,
    reset,
)


def optimize(backend="inductor", **options):
    """A decorator that returns its function."""
    return _mark


def mark_dynamic(t, index, **options):
    """Accepted."""


mark_static = maybe_mark_dynamic = mark_static_address = mark_dynamic
run = forbid_in_graph = _mark


def graph_break(msg=""):
    """Nothing to break."""


def explain(f, *args, **options):
    """NotImplementedError: there is no graph."""
    raise NotImplementedError("Flambeau has no torch._dynamo.explain: nothing is compiled")


def list_backends(exclude_tags=("debug", "experimental")):
    return ["inductor"]


def __getattr__(name):
    if name == "OptimizedModule":
        from flambeau._dynamo.eval_frame import OptimizedModule

        return OptimizedModule
    if name in ("eval_frame", "utils"):
        return __import__("flambeau._dynamo." + name, fromlist=["__name__"])
    raise AttributeError(f"module 'torch._dynamo' has no attribute '{name}'")
