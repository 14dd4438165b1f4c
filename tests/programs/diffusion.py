"""A toy diffusion model: a noise schedule, a net with time embeddings and attention over pixels, the
Huber loss, and samples drawn step by step."""
import math

import torch
import torch.nn.functional as F
from torch import nn

STEPS = 12


class Times(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, t):
        half = self.dim // 2
        rates = torch.exp(torch.arange(half, device=t.device) * (-math.log(10000) / (half - 1)))
        angles = t[:, None] * rates[None, :]
        return torch.cat((angles.sin(), angles.cos()), dim=-1)


class StandardConv2d(nn.Conv2d):
    """Its weights have mean 0 and variance 1."""

    def forward(self, x):
        mean = self.weight.mean(dim=(1, 2, 3), keepdim=True)
        var = self.weight.var(dim=(1, 2, 3), unbiased=False, keepdim=True)
        weight = (self.weight - mean) * (var + 1e-5).rsqrt()
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


class Block(nn.Module):
    def __init__(self, dim, out):
        super().__init__()
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(16, 2 * out))
        self.first, self.second = StandardConv2d(dim, out, 3, padding=1), nn.Conv2d(out, out, 1)
        self.norm = nn.GroupNorm(4, out)
        self.skip = nn.Conv2d(dim, out, 1) if dim != out else nn.Identity()

    def forward(self, x, t):
        scale, shift = self.time(t)[:, :, None, None].chunk(2, dim=1)
        h = F.silu(self.norm(self.first(x)) * (scale + 1) + shift)
        return self.second(h) + self.skip(x)


class Linear2d(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.qkv = nn.Conv2d(dim, 48, 1, bias=False)
        self.out = nn.Conv2d(16, dim, 1)

    def forward(self, x):
        b, _, h, w = x.shape
        q, k, v = (y.reshape(b, 2, 8, h * w) for y in self.qkv(x).chunk(3, dim=1))
        context = torch.einsum("bhdn,bhen->bhde", k.softmax(dim=-1), v)
        y = torch.einsum("bhde,bhdn->bhen", context, q.softmax(dim=-2) * 8 ** -0.5)
        return x + self.out(y.reshape(b, 16, h, w))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.time = nn.Sequential(Times(8), nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 16))
        self.begin, self.down = nn.Conv2d(1, 8, 5, padding=2), nn.Conv2d(8, 16, 4, 2, 1)
        self.high, self.attention, self.low = Block(8, 8), Linear2d(8), Block(16, 16)
        self.up = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(16, 8, 3, padding=1))
        self.last, self.end = Block(16, 8), nn.Conv2d(8, 1, 1)

    def forward(self, x, t):
        t = self.time(t)
        high = self.attention(self.high(self.begin(x), t))
        low = self.up(self.low(self.down(high), t))
        return self.end(self.last(torch.cat((low, high), dim=1), t))


def extract(values, t, shape):
    return values.gather(-1, t).reshape(t.shape[0], *((1,) * (len(shape) - 1)))


torch.manual_seed(3)
betas = torch.linspace(1e-4, 0.2, STEPS)
alphas = torch.cumprod(1 - betas, axis=0)
before = F.pad(alphas[:-1], (1, 0), value=1.0)
variance = betas * (1 - before) / (1 - alphas)
net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
print(sum(p.numel() for p in net.parameters()))
for step in range(15):
    image = torch.zeros(8, 1, 8, 8)
    image[torch.arange(8), 0, torch.randint(0, 8, (8,))] = 1
    t, noise = torch.randint(0, STEPS, (8,)), torch.randn(8, 1, 8, 8)
    at = extract(alphas, t, image.shape)
    loss = F.smooth_l1_loss(net(at.sqrt() * image + (1 - at).sqrt() * noise, t), noise)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step} loss {loss.item():.6f}")
x = torch.randn(2, 1, 8, 8)
with torch.no_grad():
    for i in reversed(range(STEPS)):
        t = torch.full((2,), i)
        drift = extract(betas / (1 - alphas).sqrt(), t, x.shape) * net(x, t)
        x = (x - drift) / extract((1 - betas).sqrt(), t, x.shape)
        if i:
            x = x + extract(variance.sqrt(), t, x.shape) * torch.randn_like(x)
print(" ".join(f"{v:.4f}" for v in x.flatten()[:6].tolist()), f"{x.std():.5f}")
