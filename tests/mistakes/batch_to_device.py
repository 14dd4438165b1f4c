"""Batch to device."""
import torch
from torch.utils.data import DataLoader, TensorDataset

ds = TensorDataset(torch.randn(8, 2), torch.arange(8))
for batch in DataLoader(ds, batch_size=4):
    batch = batch.to('cpu')
