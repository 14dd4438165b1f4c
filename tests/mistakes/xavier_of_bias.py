"""A weight's initialisation of a bias."""
import torch
from torch import nn

net = nn.Linear(3, 8)
for p in net.parameters():
    nn.init.xavier_uniform_(p)
