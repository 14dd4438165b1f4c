"""The loss is copied into a new tensor."""
import torch
from torch import nn

model = nn.Linear(2, 1)
losses = [model(torch.randn(2)).pow(2).sum() for _ in range(3)]
loss = torch.tensor(losses).mean()
loss.backward()
