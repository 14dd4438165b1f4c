"""The loss is made with its arguments instead of called."""
import torch
from torch import nn

prediction, target = torch.randn(4, 1), torch.randn(4, 1)
loss = nn.MSELoss(prediction, target)
loss.backward()
