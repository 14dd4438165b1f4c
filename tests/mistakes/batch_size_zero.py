"""Batch size zero."""
import torch
from torch.utils.data import DataLoader, TensorDataset

ds = TensorDataset(torch.randn(8, 2))
loader = DataLoader(ds, batch_size=len(ds) // 16)
