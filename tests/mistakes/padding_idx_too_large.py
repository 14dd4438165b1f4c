"""Padding idx too large."""
from torch import nn

emb = nn.Embedding(10, 4, padding_idx=10)
