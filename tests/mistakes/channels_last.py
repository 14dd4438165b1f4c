"""Images as (N, H, W, C), the way Pillow and Matplotlib keep them."""
import torch
from torch import nn

conv = nn.Conv2d(3, 16, 3)
conv(torch.randn(8, 32, 32, 3))
