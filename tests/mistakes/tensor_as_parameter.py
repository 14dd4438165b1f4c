"""A weight that is no nn.Parameter."""
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.randn(3, 3, requires_grad=True)
        self.out = nn.Linear(3, 1)

    def forward(self, x):
        return self.out(x @ self.w)


net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.01)
x, y = torch.randn(16, 3), torch.randn(16, 1)
for epoch in range(5):
    opt.zero_grad()
    loss = ((net(x) - y) ** 2).mean()
    loss.backward()
    opt.step()
