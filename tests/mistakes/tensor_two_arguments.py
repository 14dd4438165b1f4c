"""Tensor two arguments."""
import torch

x = torch.tensor(3, 4)
