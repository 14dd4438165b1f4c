"""A dim that the tensor has not."""
import torch
import torch.nn.functional as F

F.softmax(torch.randn(5), dim=1)
