"""GradScaler for CUDA (source: torch.cuda.amp.grad_scaler)."""

from flambeau.amp.grad_scaler import OptState  # noqa: F401
from flambeau.cuda.amp import GradScaler  # noqa: F401
