"""Labels of pixels with a channel dim."""
import torch
import torch.nn.functional as F

logits = torch.randn(2, 5, 6, 6, requires_grad=True)
mask = torch.randint(0, 5, (2, 1, 6, 6))
F.cross_entropy(logits, mask)
