"""The loss itself in torch.tensor(loss, requires_grad=True)."""
import torch
from torch import nn

loss = nn.Linear(4, 1)(torch.randn(20, 4)).square().mean()
loss = torch.tensor(loss, requires_grad=True)
