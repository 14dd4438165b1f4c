"""Versions, under PyTorch's names (source: torch.version)."""

__version__ = "0.1.0"
cuda = None
hip = None
xpu = None
debug = False
git_version = None
