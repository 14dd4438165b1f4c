"""The gradient of a tensor that was computed."""
import torch

w = torch.randn(3, requires_grad=True) * 0.1
w.sum().backward()
w -= 0.1 * w.grad
