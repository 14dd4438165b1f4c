"""One image without a batch dim."""
import torch
from torch import nn

net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 8 * 8, 2))
net(torch.randn(3, 8, 8))
