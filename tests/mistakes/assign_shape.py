"""Assign shape."""
import torch

out = torch.zeros(4, 10)
for i in range(4):
    out[i] = torch.randn(8)
