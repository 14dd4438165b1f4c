"""An LSTM in nn.Sequential."""
import torch
from torch import nn

net = nn.Sequential(nn.LSTM(4, 8, batch_first=True), nn.Linear(8, 2))
net(torch.randn(3, 5, 4))
