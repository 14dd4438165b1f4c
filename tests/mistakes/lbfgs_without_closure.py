"""Lbfgs without closure."""
import torch
from torch import nn

net = nn.Linear(3, 1)
opt = torch.optim.LBFGS(net.parameters(), lr=0.1)
x = torch.randn(4, 3)
for i in range(3):
    opt.zero_grad()
    loss = net(x).pow(2).mean()
    loss.backward()
    opt.step()
