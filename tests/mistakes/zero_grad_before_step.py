"""zero_grad between backward and step."""
import torch
from torch import nn

net = nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.01)
x, y = torch.randn(16, 3), torch.randn(16, 1)
for epoch in range(5):
    loss = ((net(x) - y) ** 2).mean()
    loss.backward()
    opt.zero_grad()
    opt.step()
