"""A mask of another size."""
import torch

x = torch.randn(4, 3)
x[torch.tensor([True, False, True])]
