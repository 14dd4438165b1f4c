"""A step between two backwards of one graph."""
import torch
from torch import nn

net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
opt = torch.optim.SGD(net.parameters(), lr=0.1)
out = net(torch.randn(8, 3))
loss_a, loss_b = out[:, 0].pow(2).mean(), out[:, 1].pow(2).mean()
opt.zero_grad()
loss_a.backward(retain_graph=True)
opt.step()
loss_b.backward()
