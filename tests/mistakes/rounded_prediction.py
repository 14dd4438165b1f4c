"""Rounded predictions in the loss."""
import torch
from torch import nn

net = nn.Linear(3, 1)
pred = torch.round(torch.sigmoid(net(torch.randn(4, 3))))
loss = nn.BCELoss()(pred, torch.tensor([[0.], [1.], [1.], [0.]]))
loss.backward()
