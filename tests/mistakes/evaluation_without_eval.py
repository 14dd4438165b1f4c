"""Accuracy measured in training mode: dropout goes on."""
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(64, 8), torch.randint(0, 2, (64,))
for epoch in range(2):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
correct = 0
with torch.no_grad():
    for batch, labels in zip(x.split(16), y.split(16)):
        correct += (model(batch).argmax(1) == labels).sum().item()
