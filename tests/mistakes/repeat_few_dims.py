"""Repeat few dims."""
import torch

x = torch.randn(2, 3, 4)
print(x.repeat(2, 2).shape)
