"""Lstm output into loss."""
import torch
from torch import nn

class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(8, 16, batch_first=True)
        self.fc = nn.Linear(16, 3)
    def forward(self, x):
        out, _ = self.rnn(x)
        return self.fc(out)
loss = nn.CrossEntropyLoss()(Tagger()(torch.randn(4, 7, 8)), torch.tensor([0, 1, 2, 0]))
loss.backward()
