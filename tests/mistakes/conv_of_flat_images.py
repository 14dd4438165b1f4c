"""Flat images into a convolution."""
import torch
from torch import nn

nn.Conv2d(1, 16, 3)(torch.randn(32, 784))
