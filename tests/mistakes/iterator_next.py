"""iter(loader).next()."""
import torch
from torch.utils.data import TensorDataset, DataLoader

loader = DataLoader(TensorDataset(torch.zeros(10, 3)), batch_size=5)
x = iter(loader).next()
