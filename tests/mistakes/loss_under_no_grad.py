"""The forward pass of a training step runs under no_grad."""
import torch
from torch import nn

model = nn.Linear(4, 1)
with torch.no_grad():
    loss = model(torch.randn(8, 4)).mean()
loss.backward()
