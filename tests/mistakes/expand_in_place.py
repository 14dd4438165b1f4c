"""A change in place of an expanded tensor."""
import torch

x = torch.zeros(3, 1).expand(3, 4)
x[0, 0] = 1.0
x += 1
