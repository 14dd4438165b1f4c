"""Wrong case relu."""
from torch import nn

net = nn.Sequential(nn.Linear(3, 3), nn.Relu())
