"""Lstm hidden into fc."""
import torch
from torch import nn

rnn, fc = nn.LSTM(8, 16, batch_first=True), nn.Linear(16, 3)
_, (h, c) = rnn(torch.randn(4, 7, 8))
loss = nn.CrossEntropyLoss()(fc(h), torch.tensor([0, 1, 2, 0]))
