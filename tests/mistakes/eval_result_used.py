"""Eval result used."""
import torch
from torch import nn

net = nn.Linear(3, 1)
with net.eval:
    print(net(torch.randn(1, 3)))
