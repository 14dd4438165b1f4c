"""What programs ask of compiled modules (source: torch._dynamo.eval_frame)."""

from flambeau._dynamo import OptimizedModule  # noqa: F401


def is_dynamo_supported():
    """False: nothing is ever compiled."""
    return False
