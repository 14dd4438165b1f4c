"""An update that makes a new tensor under no_grad."""
import torch

w = torch.randn(3, requires_grad=True)
for _ in range(3):
    loss = (w ** 2).sum()
    loss.backward()
    with torch.no_grad():
        w = w - 0.1 * w.grad
