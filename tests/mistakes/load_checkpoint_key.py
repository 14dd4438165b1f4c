"""Load checkpoint key."""
import torch
from torch import nn

net = nn.Linear(3, 1)
ckpt = {'state_dict': net.state_dict(), 'epoch': 3}
net.load_state_dict(ckpt['model'])
