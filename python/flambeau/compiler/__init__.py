"""The compiler's switches (source: torch.compiler): accepted; every call runs as it stands."""

from flambeau import compile  # noqa: F401


def is_compiling():
    """False: nothing is ever compiled."""
    return False


is_dynamo_compiling = is_exporting = is_compiling


def _mark(fn=None, *args, **options):
    """The function as it is; also with options, as a decorator with parentheses."""
    return fn if callable(fn) else lambda function: function


disable = allow_in_graph = assume_constant_result = nested_compile_region = wrap_numpy = _mark


def substitute_in_graph(original_fn, **options):
    return _mark


class set_stance:
    """A context, a decorator, or a statement, without effect."""

    def __init__(self, stance="default", **options):
        self.stance = stance

    def __call__(self, function):
        return function

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return False


def reset():
    """Nothing to forget."""


def cudagraph_mark_step_begin():
    """Accepted."""


def list_backends(exclude_tags=("debug", "experimental")):
    """Names that compile's `backend` accepts: any is."""
    return ["inductor"]
