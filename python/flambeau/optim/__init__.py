"""Optimizers and learning-rate schedules (source: torch.optim)."""

from importlib import import_module

from flambeau.optim.adam import Adam
from flambeau.optim.adamw import AdamW
from flambeau.optim.optimizer import Optimizer
from flambeau.optim.sgd import SGD

# Loaded when first asked for, each from the module of its name.
_LATER = (
    "ASGD", "Adadelta", "Adafactor", "Adagrad", "Adamax", "LBFGS", "Muon", "NAdam", "RAdam",
    "RMSprop", "Rprop", "SparseAdam",
)  # fmt: skip

__all__ = ["Adam", "AdamW", "Optimizer", "SGD", "lr_scheduler", "swa_utils", *_LATER]


def __getattr__(name):
    if name in _LATER:
        return getattr(import_module(f"flambeau.optim.{name.lower()}"), name)
    if name in ("lr_scheduler", "swa_utils"):
        return import_module(f"flambeau.optim.{name}")
    raise AttributeError(
        f"Flambeau has no torch.optim.{name} yet"
        if not name.startswith("__")
        else f"module 'flambeau.optim' has no attribute '{name}'"
    )
