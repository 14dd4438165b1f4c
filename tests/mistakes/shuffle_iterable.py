"""Shuffle iterable."""
import torch
from torch.utils.data import DataLoader, IterableDataset

class Lines(IterableDataset):
    def __iter__(self):
        yield from range(10)
loader = DataLoader(Lines(), batch_size=4, shuffle=True)
