"""One-hot labels as integers."""
import torch
import torch.nn.functional as F

logits, labels = torch.randn(4, 3), F.one_hot(torch.tensor([0, 2, 1, 0]), 3)
F.cross_entropy(logits, labels)
