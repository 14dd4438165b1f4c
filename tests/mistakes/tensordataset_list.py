"""Tensordataset list."""
from torch.utils.data import DataLoader, TensorDataset

ds = TensorDataset([[1., 2.], [3., 4.]], [0, 1])
