"""The state of a model with another number of classes."""
import torch
from torch import nn

nn.Sequential(nn.Linear(4, 10)).load_state_dict(nn.Sequential(nn.Linear(4, 5)).state_dict())
