"""Class numbers that begin at 1."""
import torch
from torch import nn

logits, labels = torch.randn(4, 3), torch.tensor([1, 2, 3, 1])
nn.CrossEntropyLoss()(logits, labels)
