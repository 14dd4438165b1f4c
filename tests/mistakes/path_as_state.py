"""A path given to load_state_dict."""
import torch
from torch import nn

net = nn.Linear(3, 2)
net.load_state_dict("weights.pt")
