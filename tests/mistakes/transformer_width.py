"""An input of another width than d_model."""
import torch
from torch import nn

enc = nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, batch_first=True), 2)
enc(torch.randn(2, 7, 16))
