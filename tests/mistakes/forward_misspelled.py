"""def foward."""
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 1)

    def foward(self, x):
        return self.fc(x)


Net()(torch.randn(2, 3))
