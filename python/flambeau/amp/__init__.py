"""Mixed precision (source: torch.amp)."""

from flambeau.amp.autocast_mode import (  # noqa: F401
    _enter_autocast,
    _exit_autocast,
    autocast,
    custom_bwd,
    custom_fwd,
    is_autocast_available,
)


def __getattr__(name):
    if name in ("GradScaler", "grad_scaler", "OptState"):
        module = __import__("flambeau.amp.grad_scaler", fromlist=["grad_scaler"])
        return module if name == "grad_scaler" else getattr(module, name)
    raise AttributeError(f"module 'flambeau.amp' has no attribute '{name}'")
