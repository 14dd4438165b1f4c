"""KLDivLoss of two distributions, where the first belongs there as logarithms; no graph tells it."""
import torch
from torch import nn

p, q = torch.ones(4, 5).softmax(1), torch.arange(20.0).view(4, 5).softmax(1)
print(f"{nn.KLDivLoss(reduction='batchmean')(p, q).item():.2f}")
