"""An activation after the last layer."""
import torch
from torch import nn

net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 5), nn.ReLU())
loss = nn.CrossEntropyLoss()(net(torch.randn(4, 3)), torch.tensor([0, 2, 1, 1]))
loss.backward()
