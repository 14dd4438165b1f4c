"""Data to train on that comes with the package."""

from flambeau.datasets.digits import Digits

__all__ = ["Digits"]
