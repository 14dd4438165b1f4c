"""Ctc layout."""
import torch
from torch import nn

ctc = nn.CTCLoss()
logp = torch.randn(4, 50, 20).log_softmax(2)      # batch, time, classes
targets = torch.randint(1, 20, (4, 10))
loss = ctc(logp, targets, torch.full((4,), 50), torch.full((4,), 10))
print(loss)
