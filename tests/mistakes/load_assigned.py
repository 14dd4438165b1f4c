"""model = model.load_state_dict(...)."""
import torch
from torch import nn

net = nn.Linear(3, 2)
net = net.load_state_dict(nn.Linear(3, 2).state_dict())
net(torch.randn(1, 3))
