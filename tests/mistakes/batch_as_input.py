"""The whole batch of a loader, inputs and labels, goes into the model."""
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

loader = DataLoader(TensorDataset(torch.randn(4, 2), torch.zeros(4)), batch_size=2)
model = nn.Linear(2, 1)
for batch in loader:
    model(batch)
