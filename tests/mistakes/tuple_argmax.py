"""Tuple argmax."""
import torch
from torch import nn

rnn = nn.LSTM(2, 4, batch_first=True)
pred = rnn(torch.randn(3, 5, 2)).argmax(1)
