"""A whole checkpoint given to load_state_dict."""
import torch
from torch import nn

net = nn.Linear(3, 2)
checkpoint = {"epoch": 3, "model_state_dict": net.state_dict(), "loss": 0.5}
net.load_state_dict(checkpoint)
