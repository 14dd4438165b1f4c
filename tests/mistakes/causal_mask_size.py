"""A causal mask of the longest length."""
import torch
from torch import nn

enc = nn.TransformerEncoderLayer(32, 4, batch_first=True)
mask = nn.Transformer.generate_square_subsequent_mask(10)
enc(torch.randn(2, 7, 32), src_mask=mask)
