"""Wrong case functional."""
import torch
import torch.nn.functional as F

x = F.RELU(torch.randn(3))
