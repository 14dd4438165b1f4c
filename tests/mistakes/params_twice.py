"""Params twice."""
import torch
from torch import nn

net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
opt = torch.optim.SGD([{'params': net.parameters()}, {'params': net[1].parameters(), 'lr': 0.1}], lr=0.01)
