"""Super other class."""
import torch
from torch import nn

class LeNet(nn.Module):
    def __init__(self):
        super(AlexNet, self).__init__()
        self.fc = nn.Linear(2, 2)
class AlexNet(nn.Module):
    pass
net = LeNet()
