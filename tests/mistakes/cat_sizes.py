"""torch.cat along the wrong dim."""
import torch

torch.cat([torch.randn(2, 3), torch.randn(2, 5)])
