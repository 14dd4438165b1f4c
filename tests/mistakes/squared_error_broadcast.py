"""The squared error written by hand of (N, 1) and (N)."""
import torch
from torch import nn

model = nn.Linear(4, 1)
x, y = torch.randn(16, 4), torch.randn(16)
loss = ((model(x) - y) ** 2).mean()
