"""Lstm dropout one layer."""
import torch
from torch import nn

rnn = nn.LSTM(8, 16, dropout=0.5)
print(rnn(torch.randn(3, 2, 8))[0].shape)
