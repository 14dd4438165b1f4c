"""squeeze() of a batch of one."""
import torch
import torch.nn.functional as F
from torch import nn

net = nn.Linear(3, 1)
out = net(torch.randn(1, 3)).squeeze()
F.binary_cross_entropy_with_logits(out, torch.tensor([1.0]))
