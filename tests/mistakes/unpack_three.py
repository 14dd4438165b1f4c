"""Unpack three."""
import torch
from torch.utils.data import DataLoader, TensorDataset

ds = TensorDataset(torch.randn(8, 2), torch.arange(8), torch.rand(8))
for x, y in DataLoader(ds, batch_size=4):
    print(x.shape)
