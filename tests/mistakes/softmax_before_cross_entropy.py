"""The network ends in softmax, and the loss applies it again."""
import torch
from torch import nn

model = nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1))
loss = nn.CrossEntropyLoss()(model(torch.randn(8, 4)), torch.randint(3, (8,)))
loss.backward()
