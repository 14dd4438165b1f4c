"""Shuffle and sampler."""
import torch
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

ds = TensorDataset(torch.randn(8, 2))
loader = DataLoader(ds, batch_size=4, shuffle=True, sampler=WeightedRandomSampler(torch.ones(8), 8))
