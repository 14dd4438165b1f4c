"""Versions, under PyTorch's names (source: torch.version)."""

from flambeau.torch_version import TorchVersion

__version__ = "0.1.0"
__version__ = TorchVersion(__version__)
api = "2.13.0"  # the version of PyTorch whose names, defaults and results these are
cuda = None
hip = None
xpu = None
debug = False
git_version = None
