"""Attention output tuple."""
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.att = nn.MultiheadAttention(16, 2, batch_first=True)
        self.norm = nn.LayerNorm(16)
    def forward(self, x):
        return self.norm(x + self.att(x, x, x))
Block()(torch.randn(2, 5, 16))
