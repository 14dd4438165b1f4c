"""Optimizers and learning-rate schedules (source: torch.optim)."""

from importlib import import_module

from flambeau.optim.adam import Adam
from flambeau.optim.adamw import AdamW
from flambeau.optim.optimizer import Optimizer
from flambeau.optim.sgd import SGD

# Loaded when first asked for, each from the module of its name.
_LATER = ("Adadelta", "Adagrad", "Adamax", "NAdam", "RAdam", "RMSprop")

__all__ = ["Adam", "AdamW", "Optimizer", "SGD", "lr_scheduler", *_LATER]


def __getattr__(name):
    if name in _LATER:
        return getattr(import_module(f"flambeau.optim.{name.lower()}"), name)
    if name == "lr_scheduler":
        module = __import__("flambeau.optim.lr_scheduler")
        return module.optim.lr_scheduler
    raise AttributeError(
        f"Flambeau has no torch.optim.{name} yet"
        if not name.startswith("__")
        else f"module 'flambeau.optim' has no attribute '{name}'"
    )
