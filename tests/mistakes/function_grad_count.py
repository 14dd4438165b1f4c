"""Function grad count."""
import torch

class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, k):
        ctx.k = k
        return x * k
    @staticmethod
    def backward(ctx, g):
        return g * ctx.k
x = torch.randn(3, requires_grad=True)
Scale.apply(x, 2.0).sum().backward()
