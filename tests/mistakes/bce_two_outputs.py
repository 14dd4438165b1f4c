"""Class numbers and one output a class in a binary loss."""
import torch
from torch import nn

out = nn.Linear(3, 2)(torch.randn(4, 3))
nn.BCEWithLogitsLoss()(out, torch.tensor([0, 1, 1, 0]))
