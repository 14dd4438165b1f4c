"""A convolution for 32 channels after one of 16, of images 32 x 32: no channels stand last."""
import torch
from torch import nn

model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3))
model(torch.randn(4, 3, 32, 32))
