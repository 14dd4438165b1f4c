"""Rnn two dims hidden."""
import torch
from torch import nn

rnn = nn.GRU(8, 16, batch_first=True)
h = torch.zeros(1, 4, 16)
out, h = rnn(torch.randn(4, 8), h)
