"""One number a row, added without a column."""
import torch

torch.zeros(4, 3) + torch.zeros(4)
