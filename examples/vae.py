"""A variational autoencoder learns handwritten digits, and draws new ones.

    python examples/vae.py [seed] [epochs]

Each digit becomes a point of a plane with some uncertainty, and a point becomes a digit again
(Kingma and Welling, "Auto-Encoding Variational Bayes", 2013). The grid shows what the points of the
plane look like; vae.png holds it too where Pillow is installed.
"""
import importlib.util
import io
import sys

import flambeau as torch
from flambeau import nn
from flambeau.datasets import Digits
from flambeau.nn import functional as F

HIDDEN, BATCH, GRID = 256, 64, 8
SHADES = " ░▒▓█"


class VAE(nn.Module):
    """Images (N, 64) in; their reconstruction as logits (N, 64), and mean and log-variance of the
    points (N, 2)."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(64, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 4)
        )
        self.decoder = nn.Sequential(
            nn.Linear(2, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 64)
        )

    def forward(self, x):
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        point = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
        return self.decoder(point), mean, log_variance


def loss_of(logits, mean, log_variance, x):
    """The two parts of the bound, for one image: what the reconstruction loses, and how far the
    points are from a standard normal distribution."""
    lost = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    apart = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum()
    return lost / len(x), apart / len(x)


def train(model, images, epochs):
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(1, epochs + 1):
        sums = [0.0, 0.0]
        for batch in torch.randperm(len(images)).split(BATCH):
            x = images[batch]
            logits, mean, log_variance = model(x)
            lost, apart = loss_of(logits, mean, log_variance, x)
            optimizer.zero_grad()
            (lost + apart).backward()
            optimizer.step()
            sums[0] += lost.item() * len(x)
            sums[1] += apart.item() * len(x)
        if epoch % max(1, epochs // 5) == 0:
            lost, apart = (total / len(images) for total in sums)
            print(f"epoch {epoch:3d}  loss {lost + apart:.2f} = {lost:.2f} + {apart:.2f}", flush=True)


@torch.no_grad()
def grid(model):
    """What the decoder draws over the plane, evenly in probability: (GRID * GRID, 8, 8)."""
    steps = torch.distributions.Normal(0.0, 1.0).icdf((torch.arange(GRID) + 0.5) / GRID)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return model.decoder(torch.stack([x.flatten(), y.flatten()], 1)).sigmoid().view(-1, 8, 8)


def draw(images):
    for row in images.split(GRID):
        for y in range(8):
            line = ["".join(SHADES[round(4 * grey)] for grey in image[y].tolist()) for image in row]
            print("  ".join(line).rstrip())


def main(seed, epochs):
    torch.manual_seed(seed)
    model = VAE()
    train(model, Digits(train=True).data.flatten(1), epochs)
    images = grid(model)
    print("\nnew digits, drawn from points of the plane:\n")
    draw(images)
    if importlib.util.find_spec("PIL"):
        from flambeau.vision.utils import save_image

        large = images.unsqueeze(1).repeat_interleave(4, 2).repeat_interleave(4, 3)
        save_image(large, "vae.png", nrow=GRID)
        print("saved as vae.png")


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    arguments = [int(word) for word in sys.argv[1:]]
    main(arguments[0] if arguments else 0, arguments[1] if arguments[1:] else 60)
