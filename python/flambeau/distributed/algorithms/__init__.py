"""Algorithms over processes (source: torch.distributed.algorithms)."""
