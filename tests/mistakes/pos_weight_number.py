"""Pos weight number."""
import torch
from torch import nn

crit = nn.BCEWithLogitsLoss(pos_weight=3.0)
loss = crit(torch.randn(4, requires_grad=True), torch.tensor([0., 1., 1., 0.]))
loss.backward()
