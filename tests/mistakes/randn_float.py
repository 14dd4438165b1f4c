"""Randn float."""
import torch

x = torch.randn(3.0, 2)
