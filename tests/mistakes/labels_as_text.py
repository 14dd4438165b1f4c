"""Names of classes as labels."""
import torch
from torch import nn
from torch.utils.data import DataLoader

data = [(torch.zeros(3), "cat"), (torch.ones(3), "dog")]
net = nn.Linear(3, 2)
for x, y in DataLoader(data, batch_size=2):
    nn.CrossEntropyLoss()(net(x), y)
