"""Bce targets plus minus one."""
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Linear(4, 1)
crit = nn.BCEWithLogitsLoss()
opt = torch.optim.SGD(net.parameters(), lr=0.1)
x = torch.randn(16, 4)
y = torch.where(torch.randn(16, 1) > 0, 1.0, -1.0)
for epoch in range(5):
    opt.zero_grad()
    loss = crit(net(x), y)
    loss.backward()
    opt.step()
print(loss.item())
