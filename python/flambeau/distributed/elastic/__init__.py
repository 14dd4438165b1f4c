"""What a starter of many processes gives its workers (source: torch.distributed.elastic)."""
