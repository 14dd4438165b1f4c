"""An older name (source: torch.distributed._composable.fsdp)."""

from flambeau.distributed.fsdp import fully_shard  # noqa: F401
