"""Size subscript."""
import torch

x = torch.randn(4, 3)
n = x.size[0]
