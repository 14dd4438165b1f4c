"""The version of torchvision that is spoken, with Flambeau's own behind a plus."""
from flambeau.version import __version__ as _own

__version__ = "0.28.0+flambeau." + _own.split("flambeau.")[-1]
cuda = None
