"""What a program's calls cost on the CPU (source: torch.profiler)."""

from flambeau.autograd.profiler import DeviceType, record_function  # noqa: F401
from flambeau.profiler.profiler import (  # noqa: F401
    ProfilerAction,
    ProfilerActivity,
    profile,
    schedule,
    supported_activities,
    tensorboard_trace_handler,
)


def kineto_available():
    """False: calls are written down by the library itself."""
    return False


class ExecutionTraceObserver:
    """NotImplementedError."""

    def __init__(self, *args, **kwargs):
        raise NotImplementedError("Flambeau has no torch.profiler.ExecutionTraceObserver yet")
