"""Same layer repeated."""
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, depth=4):
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(8, 8)] * depth)
        self.out = nn.Linear(8, 1)
    def forward(self, x):
        for b in self.blocks:
            x = torch.relu(b(x))
        return self.out(x)
net = Net()
print(sum(p.numel() for p in net.parameters()), net(torch.randn(2, 8)).shape)
