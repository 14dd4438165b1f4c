"""Gather out of range."""
import torch

scores = torch.randn(4, 3)
y = torch.tensor([1, 2, 3, 1])
print(scores.gather(1, y.unsqueeze(1)))
