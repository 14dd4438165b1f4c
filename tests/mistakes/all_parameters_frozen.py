"""Every parameter is frozen, the last layer too."""
import torch
from torch import nn

net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
for p in net.parameters():
    p.requires_grad = False
loss = nn.CrossEntropyLoss()(net(torch.randn(4, 3)), torch.tensor([0, 1, 1, 0]))
loss.backward()
