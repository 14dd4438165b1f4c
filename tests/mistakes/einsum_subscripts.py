"""Einsum subscripts."""
import torch

a = torch.randn(4, 5, 6)
b = torch.randn(4, 6, 7)
print(torch.einsum('ij,jk->ik', a, b).shape)
