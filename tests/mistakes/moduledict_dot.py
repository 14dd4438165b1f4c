"""Moduledict dot."""
import torch
from torch import nn

d = nn.ModuleDict({'layer.1': nn.Linear(2, 2)})
