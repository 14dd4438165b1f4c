"""A multilayer perceptron on two spirals: DataLoader with a shuffle, dropout, Adam, accuracy."""
import math

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
turns = torch.rand(400) * 3 * math.pi
labels = torch.arange(400) % 2
angle = turns + labels * math.pi
points = torch.stack([turns * angle.cos(), turns * angle.sin()], 1) / 5 + 0.05 * torch.randn(400, 2)

model = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.1),
                      nn.Linear(64, 2))
loader = DataLoader(TensorDataset(points, labels), batch_size=50, shuffle=True)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss()

for epoch in range(10):
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
    print(f"epoch {epoch} loss {total / len(points):.7f}")
model.eval()
with torch.no_grad():
    print(f"final loss {criterion(model(points), labels).item():.7f}")
