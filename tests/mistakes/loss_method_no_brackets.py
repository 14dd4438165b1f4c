"""Loss method no brackets."""
import torch
from torch import nn

net = nn.Linear(3, 1)
loss = ((net(torch.randn(4, 3)) - 1) ** 2).mean
loss.backward()
