"""Labels before scores."""
import torch
from torch import nn

logits = torch.randn(4, 3, requires_grad=True)
labels = torch.tensor([0, 2, 1, 1])
nn.CrossEntropyLoss()(labels, logits)
