"""The module is called with one argument less than its forward takes."""
import torch
from torch import nn


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.Bilinear(4, 4, 1)

    def forward(self, left, right):
        return self.mix(left, right)


Pair()(torch.randn(2, 4))
