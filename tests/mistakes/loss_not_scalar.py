"""backward of a loss that was not reduced."""
import torch
from torch import nn

model = nn.Linear(4, 1)
loss = (model(torch.randn(8, 4)) - torch.ones(8, 1)) ** 2
loss.backward()
