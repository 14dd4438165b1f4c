"""Masked fill float."""
import torch

scores = torch.randn(2, 4)
mask = torch.tensor([[1., 1., 0., 0.], [1., 1., 1., 0.]])
scores = scores.masked_fill(mask == 0, '-inf')
