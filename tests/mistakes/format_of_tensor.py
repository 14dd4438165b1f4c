"""Many numbers in a format of one."""
import torch

losses = torch.tensor([0.1, 0.2])
print(f"{losses:.3f}")
