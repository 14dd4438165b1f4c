"""Save swapped."""
import torch
from torch import nn

net = nn.Linear(3, 1)
torch.save('net.pt', net.state_dict())
