"""learning_rate, which is called lr."""
import torch
from torch import nn

torch.optim.Adam(nn.Linear(2, 1).parameters(), learning_rate=1e-3)
