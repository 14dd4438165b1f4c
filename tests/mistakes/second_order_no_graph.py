"""Second order no graph."""
import torch

x = torch.randn(3, requires_grad=True)
y = (x ** 3).sum()
g, = torch.autograd.grad(y, x)
h, = torch.autograd.grad(g.sum(), x)
