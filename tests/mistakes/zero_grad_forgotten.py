"""zero_grad is never called."""
import torch
from torch import nn

model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for step in range(5):
    loss = (model(torch.ones(4, 2)) - 1).pow(2).mean()
    loss.backward()
    optimizer.step()
