"""PyTorch's code generator (source: torch._inductor): its settings are accepted."""

from flambeau._inductor import config  # noqa: F401
