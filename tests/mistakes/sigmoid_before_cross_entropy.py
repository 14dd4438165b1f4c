"""Sigmoid before cross entropy."""
import torch
from torch import nn

net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3), nn.Sigmoid())
crit = nn.CrossEntropyLoss()
loss = crit(net(torch.randn(8, 4)), torch.randint(0, 3, (8,)))
loss.backward()
