"""A word number that is not in the vocabulary."""
import torch
from torch import nn

embed = nn.Embedding(1000, 16)
embed(torch.tensor([[1, 5, 1000]]))
