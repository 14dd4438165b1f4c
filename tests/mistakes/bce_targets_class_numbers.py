"""Bce targets class numbers."""
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(4, 1), nn.Sigmoid())
crit = nn.BCELoss()
x = torch.randn(16, 4)
y = torch.randint(1, 3, (16, 1)).float()
loss = crit(net(x), y)
loss.backward()
print(loss.item())
