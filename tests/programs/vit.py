"""A vision transformer on images of gratings: patches by a convolution, a class token, pre-norm
blocks of scaled_dot_product_attention, cosine schedule, an average of the weights."""
import torch
from torch import nn
import torch.nn.functional as F


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(),
                                 nn.Linear(2 * width, width))

    def forward(self, x):
        n, length, width = x.shape
        qkv = self.qkv(self.norm1(x)).view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(*qkv)
        x = x + self.project(y.transpose(1, 2).reshape(n, length, width))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    def __init__(self, width=32, patches=16):
        super().__init__()
        self.patch = nn.Conv2d(1, width, 4, 4)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        places = torch.empty(1, patches + 1, width)
        self.place = nn.Parameter(nn.init.trunc_normal_(places, std=0.02))
        self.blocks = nn.ModuleList(Block(width, 4) for _ in range(2))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 4)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.place
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x[:, 0]))


torch.manual_seed(5)
labels = torch.randint(0, 4, (96,))
grid = torch.arange(16.0)
waves = torch.sin(grid * 0.8)
gratings = torch.stack([waves.expand(16, 16), waves.view(-1, 1).expand(16, 16),
                        torch.sin((grid + grid.view(-1, 1)) * 0.6), torch.zeros(16, 16)])
images = (gratings[labels] + 0.5 * torch.randn(96, 16, 16)).unsqueeze(1)

model = ViT()
average = torch.optim.swa_utils.AveragedModel(model)
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 15)
for step in range(15):
    rows = torch.randint(0, 96, (32,))
    loss = F.cross_entropy(model(images[rows]), labels[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    average.update_parameters(model)
    print(f"step {step} loss {loss.item():.7f}")
with torch.no_grad():
    print(f"averaged loss {F.cross_entropy(average(images), labels).item():.7f}")
