"""One output neuron for two classes."""
import torch
from torch import nn

net = nn.Linear(3, 1)
loss = nn.CrossEntropyLoss()(net(torch.randn(4, 3)), torch.zeros(4, dtype=torch.long))
loss.backward()
