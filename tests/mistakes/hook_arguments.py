"""Hook arguments."""
import torch
from torch import nn

net = nn.Linear(2, 4)
net.register_forward_hook(lambda out: print(out.shape))
net(torch.randn(1, 2))
