"""A tensor of floats as an index."""
import torch

x = torch.randn(10)
i = torch.tensor([1.0, 2.0])
x[i]
