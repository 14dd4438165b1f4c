"""Collate signature."""
import torch
from torch.utils.data import DataLoader, TensorDataset

def collate(x, y):
    return torch.stack(x), torch.stack(y)
ds = TensorDataset(torch.randn(8, 2), torch.arange(8))
for x, y in DataLoader(ds, batch_size=4, collate_fn=collate):
    pass
