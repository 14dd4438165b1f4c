"""Transforms of images: classes that are called, or are layers of a model (source:
torchvision.transforms). v2 is imported when it is first touched."""
import importlib

from flambeau.vision.transforms import functional
from flambeau.vision.transforms.autoaugment import *  # noqa: F403
from flambeau.vision.transforms.transforms import *  # noqa: F403


def __getattr__(name):
    if name == "v2":
        return importlib.import_module(__name__ + ".v2")
    if name.startswith("__"):
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    raise AttributeError(f"Flambeau has no torchvision.transforms.{name} yet")
