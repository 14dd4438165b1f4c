"""To tensor paddle."""
import torch

x = torch.to_tensor([1.0, 2.0])
