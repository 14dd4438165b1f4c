"""Einsum sizes."""
import torch

q = torch.randn(2, 5, 8)
k = torch.randn(2, 7, 16)
print(torch.einsum('bid,bjd->bij', q, k).shape)
