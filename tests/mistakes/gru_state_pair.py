"""An LSTM's state for a GRU."""
import torch
from torch import nn

gru = nn.GRU(4, 8, batch_first=True)
gru(torch.randn(3, 5, 4), (torch.zeros(1, 3, 8), torch.zeros(1, 3, 8)))
