"""Names for annotations (source: torch.types)."""

import builtins
import os
from collections.abc import Sequence
from typing import Any

from flambeau._C import Size, Tensor, device, dtype, layout  # noqa: F401

_int, _float, _bool = builtins.int, builtins.float, builtins.bool
_dtype, _device, _layout = dtype, device, layout
_symint = int
_size = Size | list[int] | tuple[int, ...]
_symsize = Size | Sequence[int]

Number = int | float | bool
Device = device | str | int | None
PyNumber = int | float | complex
FileLike = str | os.PathLike[str] | Any
TensorOrTensors = Tensor | Sequence[Tensor]
