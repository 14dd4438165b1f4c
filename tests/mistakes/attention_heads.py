"""embed_dim is not a multiple of num_heads."""
import torch
from torch import nn

nn.MultiheadAttention(embed_dim=100, num_heads=8)
