"""Where int mask."""
import torch

x = torch.randn(4)
mask = torch.tensor([1, 0, 1, 0])
print(torch.where(mask, x, 0.0))
