"""Model fit."""
import torch
from torch import nn

net = nn.Sequential(nn.Linear(3, 1))
net.fit(torch.randn(4, 3), torch.randn(4, 1))
