"""A batch of grey images without the channel dim."""
import torch
from torch import nn

conv = nn.Conv2d(1, 16, 3)
conv(torch.randn(64, 28, 28))
