"""An image of bytes goes into a convolution."""
import torch
from torch import nn

conv = nn.Conv2d(3, 8, 3)
conv(torch.zeros(1, 3, 16, 16, dtype=torch.uint8))
