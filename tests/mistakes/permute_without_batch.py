"""permute without the batch dim."""
import torch

x = torch.randn(4, 28, 28, 3)
x.permute(2, 0, 1)
