"""Meshes of processes (source: torch.distributed.device_mesh), for isinstance and annotations: one
process makes none."""


class DeviceMesh:
    """Never an instance: NotImplementedError."""

    def __init__(self, *arguments, **options):
        raise NotImplementedError("Flambeau runs one process, which makes no DeviceMesh")


def init_device_mesh(device_type, mesh_shape, *, mesh_dim_names=None, **options):
    """NotImplementedError."""
    return DeviceMesh()
