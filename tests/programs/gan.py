"""A generative adversarial network on a ring of points: a critic with spectral normalisation, hinge
loss, two optimizers."""
import math

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

torch.manual_seed(7)
generator = nn.Sequential(nn.Linear(4, 32), nn.BatchNorm1d(32), nn.ReLU(),
                          nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))
critic = nn.Sequential(spectral_norm(nn.Linear(2, 32)), nn.LeakyReLU(0.2),
                       spectral_norm(nn.Linear(32, 32)), nn.LeakyReLU(0.2),
                       spectral_norm(nn.Linear(32, 1)))
of_generator = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.9))
of_critic = torch.optim.Adam(critic.parameters(), lr=2e-3, betas=(0.5, 0.9))


def real(count):
    angle = torch.randint(0, 8, (count,)) * (math.pi / 4)
    return torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(count, 2)


for step in range(20):
    for _ in range(2):
        fake = generator(torch.randn(64, 4)).detach()
        loss = torch.relu(1 - critic(real(64))).mean() + torch.relu(1 + critic(fake)).mean()
        of_critic.zero_grad(set_to_none=False)
        loss.backward()
        of_critic.step()
    of_generator.zero_grad()
    score = -critic(generator(torch.randn(64, 4))).mean()
    score.backward()
    of_generator.step()
    print(f"step {step} critic {loss.item():.7f} generator {score.item():.7f}")
