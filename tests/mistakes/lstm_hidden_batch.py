"""A hidden state of the full batch size, and a last batch that is smaller."""
import torch
from torch import nn

rnn = nn.GRU(8, 16, batch_first=True)
hidden = torch.zeros(1, 32, 16)
rnn(torch.randn(20, 5, 8), hidden)
