"""Param groups attribute."""
import torch
from torch import nn

net = nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for g in opt.param_groups:
    g.lr = 0.01
