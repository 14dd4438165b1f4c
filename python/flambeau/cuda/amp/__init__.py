"""torch.amp for CUDA, in its old spelling (source: torch.cuda.amp)."""

from flambeau.amp._deprecated import cuda as _cuda
from flambeau.cuda.amp import common  # noqa: F401
from flambeau.cuda.amp.common import amp_definitely_not_available  # noqa: F401

autocast, GradScaler, custom_fwd, custom_bwd = _cuda
