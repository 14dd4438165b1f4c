"""Train attribute."""
import torch
from torch import nn

net = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))
net.train = False
x = torch.randn(2, 3)
print(net(x).shape)
net.train()
