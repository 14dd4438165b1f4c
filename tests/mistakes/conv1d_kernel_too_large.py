"""A kernel of 7 over sequences of 5."""
import torch
from torch import nn

nn.Conv1d(1, 4, kernel_size=7)(torch.randn(8, 1, 5))
