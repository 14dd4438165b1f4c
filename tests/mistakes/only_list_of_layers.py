"""All layers are in a Python list, so there are no parameters."""
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(4, 4), nn.Linear(4, 1)]


optimizer = torch.optim.Adam(Net().parameters())
