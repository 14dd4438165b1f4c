"""A normalising flow of affine couplings on two moons: change of variables, a masked network in
each coupling, the inverse, samples."""
import math

import torch
from torch import nn


class Coupling(nn.Module):
    def __init__(self, mask):
        super().__init__()
        self.register_buffer("mask", mask)
        self.net = nn.Sequential(nn.Linear(2, 32), nn.SiLU(), nn.Linear(32, 32), nn.SiLU(),
                                 nn.Linear(32, 4))

    def parts(self, x):
        scale, shift = self.net(x * self.mask).chunk(2, -1)
        return torch.tanh(scale) * (1 - self.mask), shift * (1 - self.mask)

    def forward(self, x):
        scale, shift = self.parts(x)
        return x * scale.exp() + shift, scale.sum(-1)

    def inverse(self, y):
        scale, shift = self.parts(y)
        return (y - shift) * (-scale).exp()


class Flow(nn.Module):
    def __init__(self, layers=4):
        super().__init__()
        masks = [torch.tensor([float(i % 2), float(1 - i % 2)]) for i in range(layers)]
        self.layers = nn.ModuleList(map(Coupling, masks))

    def log_prob(self, x):
        volume = torch.zeros(len(x))
        for layer in self.layers:
            x, change = layer(x)
            volume = volume + change
        return -0.5 * x.square().sum(-1) - math.log(2 * math.pi) + volume

    def sample(self, count):
        x = torch.randn(count, 2)
        for layer in reversed(self.layers):
            x = layer.inverse(x)
        return x


torch.manual_seed(9)
angle = torch.rand(256) * math.pi
lower = torch.arange(256) % 2
moons = torch.stack([angle.cos() + lower - 0.5, angle.sin() * (1 - 2 * lower) + 0.3 * lower], 1)
moons += 0.08 * torch.randn(256, 2)
flow = Flow()
optimizer = torch.optim.NAdam(flow.parameters(), lr=5e-3)
for step in range(20):
    loss = -flow.log_prob(moons).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step} loss {loss.item():.7f}")
with torch.no_grad():
    print(f"samples {flow.sample(100).std().item():.7f}")
