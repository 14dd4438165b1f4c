"""A variational autoencoder of images of squares: transposed convolutions, the reparametrisation
trick, binary cross entropy and the divergence, samples."""
import torch
from torch import nn
import torch.nn.functional as F


class VAE(nn.Module):
    def __init__(self, latent=4):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 8, 4, 2, 1), nn.LeakyReLU(0.1), nn.Conv2d(8, 16, 4, 2, 1),
            nn.LeakyReLU(0.1), nn.Flatten(), nn.Linear(144, 2 * latent))
        self.decoder = nn.Sequential(
            nn.Linear(latent, 144), nn.ELU(), nn.Unflatten(1, (16, 3, 3)),
            nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.ELU(), nn.ConvTranspose2d(8, 1, 4, 2, 1))

    def forward(self, x):
        mean, log_var = self.encoder(x).chunk(2, 1)
        z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        return self.decoder(z), mean, log_var


torch.manual_seed(6)
images = torch.zeros(64, 1, 12, 12)
for image in images:
    i, j = torch.randint(0, 8, (2,)).tolist()
    image[0, i:i + 4, j:j + 4] = 1

model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(6):
    for x in images.split(16):
        logits, mean, log_var = model(x)
        likelihood = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
        divergence = -0.5 * (1 + log_var - mean.pow(2) - log_var.exp()).sum(1).mean()
        loss = likelihood + divergence
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.6f} divergence {divergence.item():.7f}")
with torch.no_grad():
    print(f"samples {torch.sigmoid(model.decoder(torch.randn(8, 4))).mean().item():.7f}")
