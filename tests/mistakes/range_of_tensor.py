"""Range of tensor."""
import torch

n = torch.tensor([3.0])
for i in range(n):
    pass
