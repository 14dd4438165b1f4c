"""torch.cat(a, b)."""
import torch

a, b = torch.zeros(2, 3), torch.zeros(2, 3)
torch.cat(a, b)
