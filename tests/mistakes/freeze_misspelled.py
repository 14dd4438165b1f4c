"""p.require_grad = False."""
import torch
from torch import nn

net = nn.Linear(3, 1)
for p in net.parameters():
    p.require_grad = False
print(net.weight.requires_grad)
