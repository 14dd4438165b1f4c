"""Optimizer state of other."""
import torch
from torch import nn

a = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
b = nn.Linear(3, 1)
oa = torch.optim.Adam(a.parameters())
ob = torch.optim.Adam(b.parameters())
ob.load_state_dict(oa.state_dict())
