"""torch.tensor(losses, requires_grad=True)."""
import torch
from torch import nn

net = nn.Linear(3, 1)
losses = [nn.MSELoss()(net(torch.randn(4, 3)), torch.randn(4, 1)) for _ in range(3)]
loss = torch.tensor(losses, requires_grad=True).mean()
loss.backward()
print(net.weight.grad)
