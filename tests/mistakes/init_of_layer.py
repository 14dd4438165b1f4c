"""Init of layer."""
import torch
from torch import nn

fc = nn.Linear(2, 4)
nn.init.xavier_uniform_(fc)
