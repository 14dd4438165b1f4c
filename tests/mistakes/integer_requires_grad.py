"""requires_grad of a tensor of integers."""
import torch

torch.tensor([1, 2, 3], requires_grad=True)
