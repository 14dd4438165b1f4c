"""F.dropout without training=self.training."""
import torch
from torch import nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 1)

    def forward(self, x):
        return self.fc(F.dropout(x, 0.5))


net = Net()
net.eval()
with torch.no_grad():
    print(net(torch.ones(2, 3)).shape)
