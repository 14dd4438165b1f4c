"""A tensor that backward needs is changed in place."""
import torch

w = torch.randn(3, requires_grad=True)
y = torch.sigmoid(w)
y += 1
y.sum().backward()
