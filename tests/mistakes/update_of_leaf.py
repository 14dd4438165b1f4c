"""A parameter updated by hand without no_grad."""
import torch

w = torch.randn(3, requires_grad=True)
(w * w).sum().backward()
w -= 0.1 * w.grad
