"""Labels 0 and 1 as integers in a binary loss."""
import torch
from torch import nn

logits, labels = torch.randn(6), torch.tensor([0, 1, 1, 0, 1, 0])
nn.BCEWithLogitsLoss()(logits, labels)
