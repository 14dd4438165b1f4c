"""nn.ReLU(x) makes a module."""
import torch
from torch import nn

fc = nn.Linear(2, 2)
x = nn.ReLU(torch.randn(1, 2))
fc(x)
