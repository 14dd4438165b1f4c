"""A loader of samples of different lengths."""
import torch
from torch.utils.data import DataLoader

samples = [torch.ones(n) for n in (3, 5, 4, 2)]
next(iter(DataLoader(samples, batch_size=2)))
