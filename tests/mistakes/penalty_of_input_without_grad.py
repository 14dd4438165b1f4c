"""Penalty of input without grad."""
import torch
from torch import nn

net = nn.Linear(3, 1)
x = torch.randn(4, 3)
g, = torch.autograd.grad(net(x).sum(), x, create_graph=True)
