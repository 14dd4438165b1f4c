"""How long processes would wait for each other (source: torch.distributed.constants)."""

from datetime import timedelta

default_pg_timeout = timedelta(minutes=30)

__all__ = ["default_pg_timeout"]
