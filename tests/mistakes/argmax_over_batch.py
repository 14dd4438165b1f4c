"""Argmax over batch."""
import torch
from torch import nn

net = nn.Linear(20, 10)
x, y = torch.randn(64, 20), torch.randint(0, 10, (64,))
pred = net(x).argmax(0)
acc = (pred == y).float().mean().item()
print(acc)
