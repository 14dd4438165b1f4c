"""One image without the batch dim, which a convolution takes and batch normalisation does not."""
import torch
from torch import nn

net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()).eval()
net(torch.rand(1, 28, 28))
