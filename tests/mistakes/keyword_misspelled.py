"""kernal_size."""
from torch import nn

nn.Conv2d(3, 16, kernal_size=3, padding=1)
