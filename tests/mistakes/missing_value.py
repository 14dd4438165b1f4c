"""None among numbers."""
import torch

torch.tensor([1.0, None, 3.0])
