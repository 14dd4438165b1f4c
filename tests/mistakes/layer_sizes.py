"""The second layer's in_features is not the first one's out_features."""
import torch
from torch import nn

net = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(64, 10))
net(torch.randn(32, 1, 28, 28))
