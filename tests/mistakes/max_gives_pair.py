"""torch.max(x, 1) compared with labels."""
import torch

out, y = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
pred = torch.max(out, 1)
correct = (pred == y).sum().item()
