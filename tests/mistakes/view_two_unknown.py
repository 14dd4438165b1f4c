"""View two unknown."""
import torch

x = torch.randn(8, 4, 6)
y = x.view(-1, -1, 6)
print(y.shape)
