"""Tensors spread over processes (source: torch.distributed.tensor). One process has none: programs
may ask whether a tensor is one, and describe placements; to make one is an error."""

from flambeau.distributed.device_mesh import DeviceMesh, init_device_mesh  # noqa: F401
from flambeau.distributed.tensor.placement_types import (  # noqa: F401
    Partial,
    Placement,
    Replicate,
    Shard,
)


class DTensor:
    """Never an instance: NotImplementedError."""

    def __init__(self, *arguments, **options):
        _refuse()

    @staticmethod
    def from_local(local_tensor, *arguments, **options):
        """NotImplementedError."""
        _refuse()


def distribute_tensor(tensor, *arguments, **options):
    """NotImplementedError."""
    _refuse()


def distribute_module(module, *arguments, **options):
    """NotImplementedError."""
    _refuse()


def _refuse():
    raise NotImplementedError("Flambeau runs one process, over which no tensor is spread")
