"""Fewer weights than classes."""
import torch
from torch import nn

crit = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0]))
crit(torch.randn(4, 3, requires_grad=True), torch.tensor([0, 2, 1, 1]))
