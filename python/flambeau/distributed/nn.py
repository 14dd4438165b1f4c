"""Modules that other processes own (source: torch.distributed.nn): there are
no other processes."""


class RemoteModule:
    """Never an instance: NotImplementedError."""

    def __init__(self, *arguments, **options):
        raise NotImplementedError(
            "Flambeau has no torch.distributed.nn.RemoteModule: it runs one process (world size 1)"
        )
