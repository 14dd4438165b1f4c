"""The flattened size is worked out wrongly."""
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.fc = nn.Linear(4 * 28 * 28, 10)

    def forward(self, x):
        x = self.conv(x)
        x = x.view(x.size(0), 4 * 28 * 28)
        return self.fc(x)


Net()(torch.randn(2, 1, 28, 28))
