"""A layer size by /."""
import torch
from torch import nn

hidden = 64 / 2
nn.Linear(10, hidden)
