"""Lengths that do not add up."""
import torch
from torch.utils.data import TensorDataset, random_split

data = TensorDataset(torch.zeros(103, 3))
random_split(data, [int(0.8 * 103), int(0.2 * 103)])
