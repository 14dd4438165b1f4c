"""One tensor as an LSTM's state."""
import torch
from torch import nn

lstm = nn.LSTM(4, 8, batch_first=True)
lstm(torch.randn(3, 5, 4), torch.zeros(1, 3, 8))
