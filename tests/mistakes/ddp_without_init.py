"""Ddp without init."""
import torch
from torch import nn

net = nn.parallel.DistributedDataParallel(nn.Linear(2, 2))
