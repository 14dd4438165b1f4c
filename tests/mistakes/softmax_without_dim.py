"""softmax without its dim."""
import torch
import torch.nn.functional as F

p = F.softmax(torch.randn(4, 3))
