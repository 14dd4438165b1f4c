"""A CTC target of 15 classes under an input of 10 steps: the loss is inf."""
import torch
from torch import nn

scores = torch.ones(10, 2, 5).log_softmax(2)
targets = torch.ones(2, 15, dtype=torch.long)
print(nn.CTCLoss()(scores, targets, torch.tensor([10, 10]), torch.tensor([3, 15])).item())
