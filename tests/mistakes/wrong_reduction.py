"""Wrong reduction."""
import torch
from torch import nn

crit = nn.MSELoss(reduction='average')
loss = crit(torch.randn(3, 2), torch.randn(3, 2))
