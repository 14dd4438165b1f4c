"""Save missing folder."""
import torch
from torch import nn

net = nn.Linear(3, 1)
torch.save(net.state_dict(), 'no/such/net.pt')
