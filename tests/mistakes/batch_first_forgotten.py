"""Batch first forgotten."""
import torch
from torch import nn

torch.manual_seed(0)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(8, 16)
        self.fc = nn.Linear(16, 3)
    def forward(self, x):                # batch, time, features
        out, _ = self.rnn(x)
        return self.fc(out[:, -1])
net = Net()
opt = torch.optim.Adam(net.parameters())
for i in range(3):
    opt.zero_grad()
    loss = nn.functional.cross_entropy(net(torch.randn(32, 7, 8)), torch.randint(0, 3, (32,)))
    loss.backward()
    opt.step()
