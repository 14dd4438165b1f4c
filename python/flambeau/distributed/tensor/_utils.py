"""Shapes of what one process holds (source: torch.distributed.tensor._utils)."""

from flambeau.distributed.device_mesh import DeviceMesh


def compute_local_shape_and_global_offset(global_shape, mesh, placements, *arguments):
    """TypeError: no mesh can be given, as none can be made."""
    raise TypeError(f"expected a {DeviceMesh.__name__}, got {type(mesh).__name__}")
