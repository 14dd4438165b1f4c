"""The loss grows until it is nan."""
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=10)
x = torch.linspace(0, 4, 20).unsqueeze(1)
for step in range(60):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), 3 * x)
    loss.backward()
    optimizer.step()
