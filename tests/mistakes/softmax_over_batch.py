"""softmax along the batch instead of the classes."""
import torch
from torch import nn

model = nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=0))
probabilities = model(torch.randn(8, 4))
