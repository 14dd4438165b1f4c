"""A small encoder-decoder Transformer that learns to reverse sequences: causal and padding masks,
warm-up by LambdaLR, greedy decoding."""
import math

import torch
from torch import nn


class Reverser(nn.Module):
    def __init__(self, tokens=12, width=32):
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        places = torch.arange(16).unsqueeze(1) * torch.exp(
            torch.arange(0, width, 2) * (-math.log(100.0) / width))
        self.register_buffer("places", torch.stack([places.sin(), places.cos()], 2).flatten(1))
        self.transformer = nn.Transformer(width, 4, 1, 1, 64, dropout=0.1, batch_first=True)
        self.head = nn.Linear(width, tokens)

    def embed(self, x):
        return self.embedding(x) * 4 + self.places[:x.size(1)]

    def forward(self, source, target):
        mask = nn.Transformer.generate_square_subsequent_mask(target.size(1))
        padding = source == 0
        y = self.transformer(self.embed(source), self.embed(target), tgt_mask=mask,
                             src_key_padding_mask=padding, memory_key_padding_mask=padding)
        return self.head(y)


def batch(count):
    source = torch.randint(2, 12, (count, 8))
    source[:, 6:] *= torch.rand(count, 1) > 0.3
    target = torch.cat([torch.ones(count, 1, dtype=torch.long), source.flip(1)], 1)
    return source, target


torch.manual_seed(4)
model = Reverser()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, betas=(0.9, 0.98))
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 10))
for step in range(30):
    source, target = batch(32)
    logits = model(source, target[:, :-1])
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    print(f"step {step} loss {loss.item():.7f}")
model.eval()
with torch.no_grad():
    source, target = batch(16)
    logits = model(source, target[:, :-1])
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten())
    print(f"evaluation loss {loss.item():.7f}")
