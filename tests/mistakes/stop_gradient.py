"""Stop gradient."""
import torch
from torch import nn

net = nn.Linear(3, 1)
for p in net.parameters():
    p.stop_gradient = True
loss = net(torch.randn(2, 3)).sum()
loss.backward()
