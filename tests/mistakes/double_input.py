"""An array of NumPy's doubles goes into a layer of floats."""
import torch
from torch import nn

model = nn.Linear(2, 1)
model(torch.tensor([[1.0, 2.0]], dtype=torch.float64))
