"""Modulelist called."""
import torch
from torch import nn

layers = nn.ModuleList([nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1)])
print(layers(torch.randn(3, 2)))
