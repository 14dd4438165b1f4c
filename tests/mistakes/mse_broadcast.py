"""Predictions (N, 1) against targets (N)."""
import torch
from torch import nn

model = nn.Linear(4, 1)
x, y = torch.randn(16, 4), torch.randn(16)
nn.MSELoss()(model(x), y)
