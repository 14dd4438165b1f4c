"""The hidden state is kept from step to step with its graph."""
import torch
from torch import nn

rnn, hidden = nn.RNN(4, 8), torch.zeros(1, 2, 8)
for step in range(2):
    output, hidden = rnn(torch.randn(5, 2, 4), hidden)
    output.mean().backward()
