"""Sequential two inputs."""
import torch
from torch import nn

net = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
print(net(torch.randn(3, 4), torch.randn(3, 4)))
