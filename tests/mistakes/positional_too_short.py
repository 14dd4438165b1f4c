"""Positional too short."""
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.pos = nn.Parameter(torch.zeros(1, 50, 16))
    def forward(self, x):
        return x + self.pos
print(Net()(torch.randn(2, 60, 16)).shape)
