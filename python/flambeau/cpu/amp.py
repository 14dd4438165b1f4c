"""torch.amp for the CPU, in its old spelling (source: torch.cpu.amp)."""

from flambeau.amp._deprecated import cpu as _cpu

autocast, GradScaler, _, _ = _cpu
