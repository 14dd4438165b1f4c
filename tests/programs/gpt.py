"""A small GPT as programs write it: weights tied, two groups of decay, gradients gathered over two
batches, a scaler that is off, a compiled wrapper whose prefix is cut from the state dict, sampling."""
import math

import torch
import torch.nn.functional as F
from torch import nn

BLOCK, WORDS, WIDE, HEADS = 24, 31, 24, 3


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(WIDE, 3 * WIDE)
        self.proj = nn.Linear(WIDE, WIDE)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        b, t, c = x.size()
        q, k, v = (y.view(b, t, HEADS, c // HEADS).transpose(1, 2)
                   for y in self.qkv(x).split(WIDE, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.drop(self.proj(y.transpose(1, 2).contiguous().view(b, t, c)))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.attn, self.ln_2 = nn.LayerNorm(WIDE), Attention(), nn.LayerNorm(WIDE)
        self.mlp = nn.Sequential(nn.Linear(WIDE, 4 * WIDE), nn.GELU(), nn.Linear(4 * WIDE, WIDE))

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.ModuleDict(dict(
            wte=nn.Embedding(WORDS, WIDE), wpe=nn.Embedding(BLOCK, WIDE),
            h=nn.ModuleList([Block() for _ in range(2)]), ln_f=nn.LayerNorm(WIDE)))
        self.head = nn.Linear(WIDE, WORDS, bias=False)
        self.body.wte.weight = self.head.weight
        self.apply(self.initialise)
        for name, p in self.named_parameters():
            if name.endswith("proj.weight"):
                nn.init.normal_(p, std=0.02 / math.sqrt(4))

    @staticmethod
    def initialise(module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)

    def forward(self, ids, targets=None):
        x = self.body.wte(ids) + self.body.wpe(torch.arange(ids.size(1), device=ids.device))
        for block in self.body.h:
            x = block(x)
        x = self.body.ln_f(x)
        if targets is None:
            return self.head(x[:, [-1], :]), None
        logits = self.head(x)
        return logits, F.cross_entropy(logits.view(-1, WORDS), targets.view(-1), ignore_index=-1)

    @torch.no_grad()
    def generate(self, ids, count, temperature=0.8, top_k=8):
        for _ in range(count):
            logits = self(ids[:, -BLOCK:])[0][:, -1] / temperature
            least = torch.topk(logits, top_k).values[:, [-1]]
            logits[logits < least] = -float("inf")
            ids = torch.cat((ids, torch.multinomial(F.softmax(logits, -1), 1)), 1)
        return ids


torch.manual_seed(1337)
data = (torch.arange(1500) ** 2 // 7) % WORDS
model = GPT()
print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.6f}M parameters")
decayed = [p for p in model.parameters() if p.dim() >= 2]
others = [p for p in model.parameters() if p.dim() < 2]
optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1},
                               {"params": others, "weight_decay": 0.0}], 1e-2, (0.9, 0.95))
scaler = torch.amp.GradScaler("cuda", enabled=False)
compiled = torch.compile(model, backend="eager")
for step in range(16):
    for group in optimizer.param_groups:
        group["lr"] = 1e-2 * min(1, (step + 1) / 4) * 0.5 * (1 + math.cos(math.pi * step / 20))
    for _ in range(2):
        at = torch.randint(len(data) - BLOCK, (6,)).tolist()
        x = torch.stack([data[i:i + BLOCK] for i in at])
        y = torch.stack([data[i + 1:i + 1 + BLOCK] for i in at])
        _, loss = compiled(x, y)
        scaler.scale(loss / 2).backward()
    scaler.unscale_(optimizer)
    norm = nn.utils.clip_grad_norm_(compiled.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad(set_to_none=True)
    print(f"step {step} loss {loss.item():.6f} norm {norm:.6f}")
state = {name.removeprefix("_orig_mod."): p for name, p in compiled.state_dict().items()}
print(state["head.weight"].data_ptr() == state["body.wte.weight"].data_ptr(), len(state))
other = GPT()
print(other.load_state_dict(state))
other.eval()
print(other.generate(torch.zeros((1, 1), dtype=torch.long), 16).tolist())
