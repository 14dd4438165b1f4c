"""Param group key."""
import torch
from torch import nn

a, b = nn.Linear(3, 3), nn.Linear(3, 1)
opt = torch.optim.SGD([{'param': a.parameters()}, {'param': b.parameters(), 'lr': 0.1}], lr=0.01)
