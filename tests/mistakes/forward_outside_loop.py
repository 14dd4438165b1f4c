"""Forward outside loop."""
import torch
from torch import nn

net = nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
x, y = torch.randn(8, 3), torch.randn(8, 1)
out = net(x)
for i in range(3):
    opt.zero_grad()
    loss = (out - y).pow(2).mean()
    loss.backward()
    opt.step()
