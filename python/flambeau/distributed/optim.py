"""Optimizers of parameters that other processes own (source: torch.distributed.optim): there are
no other processes."""


class DistributedOptimizer:
    """Never an instance: NotImplementedError."""

    def __init__(self, *arguments, **options):
        raise NotImplementedError(
            "Flambeau has no torch.distributed.optim.DistributedOptimizer: it runs one process (world size 1)"
        )
