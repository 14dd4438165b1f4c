"""Gradients stay off after an evaluation."""
import torch
from torch import nn

net = nn.Linear(3, 1)


def evaluate():
    torch.set_grad_enabled(False)
    net.eval()
    return net(torch.randn(4, 3)).mean().item()


evaluate()
net.train()
loss = nn.MSELoss()(net(torch.randn(4, 3)), torch.randn(4, 1))
loss.backward()
