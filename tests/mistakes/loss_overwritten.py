"""The loss function's name is given to its value."""
import torch
from torch import nn

net = nn.Linear(3, 1)
loss = nn.MSELoss()
x, y = torch.randn(16, 3), torch.randn(16, 1)
for epoch in range(2):
    loss = loss(net(x), y)
    loss.backward()
