"""torch.optim.sgd."""
import torch
from torch import nn

torch.optim.sgd(nn.Linear(3, 1).parameters(), lr=1e-3)
