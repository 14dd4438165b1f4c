"""Fewer labels than samples."""
import torch
from torch.utils.data import TensorDataset

TensorDataset(torch.zeros(10, 3), torch.zeros(9))
