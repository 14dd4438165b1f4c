"""Function grad shape."""
import torch

class Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.mean(0)
    @staticmethod
    def backward(ctx, g):
        return g
x = torch.randn(5, 3, requires_grad=True)
Mean.apply(x).sum().backward()
