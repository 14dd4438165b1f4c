"""Names for annotations (source: torch.types)."""

from flambeau._C import Size, Tensor, device, dtype  # noqa: F401

Number = int | float | bool
Device = device | str | int | None
