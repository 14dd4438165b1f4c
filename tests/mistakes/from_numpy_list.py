"""From numpy list."""
import torch

x = torch.from_numpy([1.0, 2.0, 3.0])
