"""Params added."""
import torch
from torch import nn

a, b = nn.Linear(3, 3), nn.Linear(3, 1)
opt = torch.optim.Adam(a.parameters() + b.parameters(), lr=1e-3)
