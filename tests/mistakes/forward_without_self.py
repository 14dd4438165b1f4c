"""Forward without self."""
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 2)
    def forward(x):
        return self.fc(x)
net = Net()
net(torch.randn(1, 2))
