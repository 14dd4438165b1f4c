"""Names for annotations of scripts (source: torch.jit.annotations)."""

from typing import Any, Dict, List, Optional, Tuple, Union  # noqa: F401
