"""Scaler without scale."""
import torch
from torch import nn

net = nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
scaler = torch.amp.GradScaler('cpu')
loss = net(torch.randn(2, 3)).sum()
loss.backward()
scaler.step(opt)
