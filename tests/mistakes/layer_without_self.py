"""A layer kept in a local variable."""
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        fc = nn.Linear(3, 4)

    def forward(self, x):
        return self.fc(x)


Net()(torch.randn(2, 3))
