"""item() of two losses."""
import torch

loss = torch.tensor([0.1, 0.2])
print(loss.item())
