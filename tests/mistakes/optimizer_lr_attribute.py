"""Optimizer lr attribute."""
import torch
from torch import nn

net = nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
x = torch.randn(4, 3)
for epoch in range(4):
    opt.lr = 0.1 * 0.5 ** epoch
    opt.zero_grad()
    net(x).pow(2).mean().backward()
    opt.step()
print(opt.param_groups[0]['lr'])
