"""nn.Dropout(x)."""
import torch
from torch import nn

x = nn.Dropout(torch.rand(3))
y = x + 1
