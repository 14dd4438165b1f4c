"""net.requires_grad = False."""
import torch
from torch import nn

net = nn.Sequential(nn.Linear(3, 8), nn.Linear(8, 1))
net[0].requires_grad = False
print(net[0].weight.requires_grad)
