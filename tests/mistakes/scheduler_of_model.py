"""A scheduler made of the model."""
import torch
from torch import nn

net = nn.Linear(3, 1)
torch.optim.lr_scheduler.StepLR(net, 1)
