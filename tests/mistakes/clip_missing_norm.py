"""Clip missing norm."""
import torch
from torch import nn

net = nn.Linear(3, 1)
net(torch.randn(2, 3)).sum().backward()
nn.utils.clip_grad_norm_(net.parameters())
