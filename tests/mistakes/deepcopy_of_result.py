"""A deep copy of a result."""
import copy
import torch
from torch import nn

h = nn.Linear(3, 1)(torch.randn(2, 3))
copy.deepcopy(h)
