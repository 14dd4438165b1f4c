"""BatchNorm of another number of channels."""
import torch
from torch import nn

net = nn.Sequential(nn.Conv2d(3, 32, 3), nn.BatchNorm2d(64), nn.ReLU())
net(torch.randn(2, 3, 8, 8))
