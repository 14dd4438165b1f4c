"""Probabilities of a prediction, without gradients, along the batch."""
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3)).eval()
with torch.no_grad():
    scores = model(torch.ones(10, 4))
    probabilities = torch.softmax(scores, dim=0)
print(tuple(probabilities.shape))
