"""The older name of torch.distributed.tensor (source: torch.distributed._tensor)."""

from flambeau.distributed.tensor import (  # noqa: F401
    DeviceMesh,
    DTensor,
    Partial,
    Placement,
    Replicate,
    Shard,
    distribute_module,
    distribute_tensor,
    init_device_mesh,
)
