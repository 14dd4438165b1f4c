"""requires_grad set on a loss without a graph."""
import torch
from torch import nn

net = nn.Linear(3, 2)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(3):
    pred = net(torch.randn(4, 3)).argmax(1)
    loss = (pred != torch.tensor([0, 1, 1, 0])).float().mean()
    loss.requires_grad = True
    opt.zero_grad()
    loss.backward()
    opt.step()
