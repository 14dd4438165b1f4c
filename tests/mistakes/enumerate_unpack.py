"""Enumerate unpack."""
import torch
from torch.utils.data import DataLoader, TensorDataset

ds = TensorDataset(torch.randn(8, 2), torch.arange(8))
for i, x, y in enumerate(DataLoader(ds, batch_size=4)):
    print(i, x.shape)
