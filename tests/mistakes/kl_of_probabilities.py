"""Probabilities in the place of log-probabilities."""
import torch
import torch.nn.functional as F
from torch import nn

net = nn.Linear(3, 5)
p = F.softmax(net(torch.randn(4, 3)), dim=1)
q = F.softmax(torch.randn(4, 5), dim=1)
loss = F.kl_div(p, q, reduction="batchmean")
