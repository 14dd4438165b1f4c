"""Dropout percent."""
from torch import nn

drop = nn.Dropout(50)
