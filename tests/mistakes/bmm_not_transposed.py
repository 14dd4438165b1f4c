"""Bmm not transposed."""
import torch

q = torch.randn(2, 5, 8)
k = torch.randn(2, 5, 8)
scores = torch.bmm(q, k) / 8 ** 0.5
