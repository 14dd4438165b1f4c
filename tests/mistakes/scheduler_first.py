"""The scheduler steps before the optimizer."""
import torch
from torch import nn

net = nn.Linear(3, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
sched = torch.optim.lr_scheduler.StepLR(opt, 1)
for _ in range(2):
    sched.step()
    nn.MSELoss()(net(torch.randn(4, 3)), torch.randn(4, 1)).backward()
    opt.step()
    opt.zero_grad()
