"""Learning-rate schedules (source: torch.optim.lr_scheduler).

A scheduler writes the "lr" of its optimizer's groups each time step() is called. Most are
chainable: they compute the next rate from the present one, so that several may act on one
optimizer; `_get_closed_form_lr`, where there is one, computes the rate of any epoch directly.
Attribute names are PyTorch's, because state_dict saves them.
"""

from flambeau.optim.lr_scheduler.compound import ChainedScheduler, SequentialLR
from flambeau.optim.lr_scheduler.cycles import CyclicLR, OneCycleLR
from flambeau.optim.lr_scheduler.plateau import ReduceLROnPlateau
from flambeau.optim.lr_scheduler.scheduler import LRScheduler, _LRScheduler  # noqa: F401
from flambeau.optim.lr_scheduler.schedules import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
