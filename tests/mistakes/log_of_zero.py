"""Log of zero."""
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
opt = torch.optim.SGD(net.parameters(), lr=0.1)
x = torch.randn(8, 3)
for i in range(3):
    opt.zero_grad()
    loss = -torch.log(net(x)).mean()
    loss.backward()
    opt.step()
print(loss.item())
