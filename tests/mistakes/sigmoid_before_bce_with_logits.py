"""The network ends in sigmoid, and the loss applies it again."""
import torch
from torch import nn

model = nn.Sequential(nn.Linear(4, 1), nn.Sigmoid())
loss = nn.BCEWithLogitsLoss()(model(torch.randn(8, 4)), torch.ones(8, 1))
loss.backward()
