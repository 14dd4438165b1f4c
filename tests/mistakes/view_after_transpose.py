"""view of a tensor whose elements are not in order."""
import torch

x = torch.randn(4, 6, 8)
x.transpose(1, 2).view(4, 48)
