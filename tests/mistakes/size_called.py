"""Size called."""
import torch

x = torch.randn(4, 3)
print(x.shape())
