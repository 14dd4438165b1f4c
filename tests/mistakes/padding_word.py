"""Padding word."""
from torch import nn

conv = nn.Conv2d(3, 8, 3, padding='SAME')
