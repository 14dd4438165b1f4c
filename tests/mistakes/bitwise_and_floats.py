"""Bitwise and floats."""
import torch

x = torch.randn(5)
print(x[x > 0 & x < 1])
