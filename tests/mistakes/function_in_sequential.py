"""A function where nn.Sequential takes modules."""
import torch
import torch.nn.functional as F
from torch import nn

nn.Sequential(nn.Linear(2, 2), F.relu)
