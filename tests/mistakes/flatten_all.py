"""Flatten all."""
import torch
from torch import nn

conv = nn.Conv2d(1, 4, 3)
fc = nn.Linear(4 * 26 * 26, 10)
x = torch.randn(16, 1, 28, 28)
h = torch.relu(conv(x)).flatten()
print(fc(h).shape)
