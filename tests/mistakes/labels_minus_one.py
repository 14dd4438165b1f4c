"""Labels minus one."""
import torch
from torch import nn

crit = nn.CrossEntropyLoss()
scores = torch.randn(4, 3, requires_grad=True)
y = torch.tensor([-1, 1, 1, -1])
loss = crit(scores, y)
loss.backward()
