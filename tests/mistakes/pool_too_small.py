"""So many poolings that nothing is left."""
import torch
from torch import nn

net = nn.Sequential(*[nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.MaxPool2d(2)) for _ in range(4)])
net(torch.randn(1, 1, 8, 8))
