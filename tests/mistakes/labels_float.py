"""Class numbers read as floats."""
import torch
from torch import nn

logits, labels = torch.randn(8, 3), torch.tensor([0., 1, 2, 0, 1, 2, 0, 1])
nn.CrossEntropyLoss()(logits, labels)
