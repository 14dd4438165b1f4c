"""Model state into optimizer."""
import torch
from torch import nn

net = nn.Linear(3, 1)
opt = torch.optim.Adam(net.parameters())
opt.load_state_dict(net.state_dict())
