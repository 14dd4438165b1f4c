"""A learning rate that is a text."""
import torch
from torch import nn

torch.optim.Adam(nn.Linear(3, 1).parameters(), lr="1e-3")
