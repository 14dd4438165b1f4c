"""Conditions of elements joined by `and`."""
import torch

x = torch.randn(5)
inside = (x > -1) and (x < 1)
