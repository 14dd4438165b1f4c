"""The last batch has one sample, and BatchNorm is training."""
import torch
from torch import nn

net = nn.Sequential(nn.Linear(10, 20), nn.BatchNorm1d(20), nn.ReLU())
net(torch.randn(1, 10))
