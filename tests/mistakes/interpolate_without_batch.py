"""Interpolate without batch."""
import torch
import torch.nn.functional as F

img = torch.rand(3, 32, 32)
big = F.interpolate(img, size=(64, 64), mode='bilinear')
print(big.shape)
