"""torch.randint(0, 10)."""
import torch

torch.randint(0, 10)
