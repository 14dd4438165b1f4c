"""BatchNorm2d of vectors."""
import torch
from torch import nn

net = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm2d(8))
net(torch.randn(4, 3))
