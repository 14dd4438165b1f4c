"""Layer normalisation with the features not last."""
import torch
from torch import nn

nn.LayerNorm(8)(torch.randn(2, 8, 5))
