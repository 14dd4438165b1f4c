"""Predictions (N, 1) and labels (N) in a binary loss."""
import torch
from torch import nn

nn.BCEWithLogitsLoss()(torch.randn(8, 1), torch.ones(8))
