"""Weighted loss broadcasts."""
import torch
from torch import nn
net = nn.Linear(3, 1)
x, y = torch.randn(10, 3), torch.randn(10, 1)
w = torch.rand(10)
loss = (w * (net(x) - y) ** 2).mean()
loss.backward()
print(loss.item())
