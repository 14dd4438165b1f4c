"""A convolution without its kernel size."""
import torch
from torch import nn

nn.Conv2d(1, 32)
