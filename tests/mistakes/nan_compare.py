"""Nan compare."""
import torch

x = torch.tensor([1.0, float('nan'), 2.0])
x[x == float('nan')] = 0.0
print(x)
