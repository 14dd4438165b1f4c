"""(N, L, C) into a convolution of C channels."""
import torch
from torch import nn

nn.Conv1d(8, 16, 3)(torch.randn(4, 50, 8))
