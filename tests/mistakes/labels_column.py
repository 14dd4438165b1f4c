"""Class numbers as a column, as they come from a table."""
import torch
from torch import nn

logits, labels = torch.randn(8, 3, requires_grad=True), torch.randint(3, (8, 1))
nn.CrossEntropyLoss()(logits, labels)
