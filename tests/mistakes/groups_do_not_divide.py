"""Groups do not divide."""
import torch
from torch import nn

conv = nn.Conv2d(10, 20, 3, groups=3)
print(conv(torch.randn(1, 10, 8, 8)).shape)
