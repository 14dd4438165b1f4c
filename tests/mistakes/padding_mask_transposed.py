"""A padding mask (length, batch)."""
import torch
from torch import nn

att = nn.MultiheadAttention(32, 4, batch_first=True)
x = torch.randn(2, 7, 32)
mask = torch.zeros(7, 2, dtype=torch.bool)
att(x, x, x, key_padding_mask=mask)
