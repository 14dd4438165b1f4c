"""A gradient is set to zero before there is one."""
import torch

w = torch.randn(3, requires_grad=True)
w.grad.zero_()
loss = (w ** 2).sum()
loss.backward()
