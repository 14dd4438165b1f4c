"""Scatter dtype."""
import torch

onehot = torch.zeros(4, 3)
y = torch.tensor([0, 2, 1, 1])
onehot.scatter_(1, y.unsqueeze(1), torch.ones(4, 1, dtype=torch.long))
