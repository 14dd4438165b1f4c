"""Scores of a sequence with the classes last."""
import torch
from torch import nn

logits = torch.randn(4, 7, 11, requires_grad=True)
labels = torch.randint(0, 11, (4, 7))
nn.CrossEntropyLoss()(logits, labels)
