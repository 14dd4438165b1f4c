"""Integers go into a layer of floats."""
import torch
from torch import nn

model = nn.Linear(2, 1)
model(torch.tensor([[1, 2], [3, 4]]))
