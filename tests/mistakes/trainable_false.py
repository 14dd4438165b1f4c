"""Trainable false."""
import torch
from torch import nn

net = nn.Sequential(nn.Linear(3, 30), nn.Linear(30, 1))
for layer in net:
    layer.trainable = False
print(net[0].weight.requires_grad)
