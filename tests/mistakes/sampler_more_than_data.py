"""Sampler more than data."""
import torch
from torch.utils.data import WeightedRandomSampler

s = WeightedRandomSampler(torch.ones(4), 8, replacement=False)
print(list(s))
