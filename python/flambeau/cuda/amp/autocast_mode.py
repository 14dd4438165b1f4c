"""autocast for CUDA (source: torch.cuda.amp.autocast_mode)."""

from flambeau.amp.autocast_mode import _cast  # noqa: F401
from flambeau.cuda.amp import autocast, custom_bwd, custom_fwd  # noqa: F401
