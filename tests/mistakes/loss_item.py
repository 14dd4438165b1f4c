"""The loss is taken out of the graph by item()."""
import torch
from torch import nn

model = nn.Linear(2, 1)
loss = model(torch.randn(4, 2)).pow(2).mean().item()
loss.backward()
