"""Accuracy broadcasts."""
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(5, 1), nn.Sigmoid())
x, y = torch.randn(50, 5), torch.randint(0, 2, (50,))
pred = (net(x) > 0.5).long()
correct = (pred == y).sum().item()
print('accuracy', correct / len(y))
