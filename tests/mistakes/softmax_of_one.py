"""softmax of one output."""
import torch
from torch import nn

net = nn.Sequential(nn.Linear(3, 1), nn.Softmax(dim=1))
loss = nn.BCELoss()(net(torch.randn(4, 3)), torch.ones(4, 1))
loss.backward()
