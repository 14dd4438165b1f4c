"""Embedding negative."""
import torch
from torch import nn

emb = nn.Embedding(10, 4, padding_idx=0)
tokens = torch.tensor([[3, 5, -1], [2, -1, -1]])
print(emb(tokens).shape)
