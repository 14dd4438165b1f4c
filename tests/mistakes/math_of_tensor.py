"""Math of tensor."""
import math
import torch

x = torch.tensor([1.0, 4.0])
print(math.sqrt(x))
