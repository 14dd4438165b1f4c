"""All weights begin at zero: the first layer gets no gradient."""
import torch
from torch import nn

model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
for p in model.parameters():
    nn.init.zeros_(p)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(5):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(torch.ones(6, 4)), torch.tensor([0, 0, 0, 1, 1, 2])).backward()
    optimizer.step()
