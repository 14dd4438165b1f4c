"""Init all modules."""
import torch
from torch import nn

net = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
for m in net.modules():
    m.weight.data.normal_(0, 0.02)
