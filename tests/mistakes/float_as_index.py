"""Half of a length by /."""
import torch

x = torch.randn(10)
n = len(x) / 2
x[:n]
