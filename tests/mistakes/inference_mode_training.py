"""Inference mode training."""
import torch
from torch import nn

enc, head = nn.Linear(3, 4), nn.Linear(4, 1)
with torch.inference_mode():
    h = enc(torch.randn(5, 3))
loss = head(h).pow(2).mean()
loss.backward()
