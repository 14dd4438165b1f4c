"""The LSTM's input_size is not the last dim of its input."""
import torch
from torch import nn

lstm = nn.LSTM(input_size=10, hidden_size=20, batch_first=True)
lstm(torch.randn(4, 7, 12))
