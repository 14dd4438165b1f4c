"""No flatten between the convolutions and the linear layer."""
import torch
from torch import nn

model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Linear(8 * 16 * 16, 10))
model(torch.randn(4, 3, 32, 32))
