"""Word numbers that are floats."""
import torch
from torch import nn

embed = nn.Embedding(1000, 16)
embed(torch.Tensor([1, 5, 7]))
