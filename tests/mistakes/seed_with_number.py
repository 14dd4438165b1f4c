"""Seed with number."""
import torch

torch.seed(42)
