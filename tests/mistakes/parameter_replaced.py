"""A tensor assigned in the place of a parameter."""
import torch
from torch import nn

net = nn.Linear(3, 1)
net.weight = torch.zeros(1, 3)
