"""BCELoss of what a linear layer gives, without sigmoid."""
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
nn.BCELoss()(model(10 * torch.randn(8, 4)), torch.ones(8, 1))
