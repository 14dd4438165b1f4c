"""Checkpointed layers (source: torch.distributed.algorithms._checkpoint)."""
