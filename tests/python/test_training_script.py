"""A script as written for many GPUs: distributed, autocast, checkpoint, clipping, an averaged model.
The losses and norms are PyTorch 2.13's."""

import pytest

import flambeau as torch
from flambeau import distributed as dist
from flambeau.nn.parallel import DistributedDataParallel
from flambeau.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from flambeau.utils.checkpoint import checkpoint

nn, F = torch.nn, torch.nn.functional


class Block(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(d), nn.Linear(d, 4 * d), nn.Linear(4 * d, d)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        return x + self.drop(self.down(F.gelu(self.up(self.norm(x)))))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, 16)
        self.blocks = nn.ModuleList([Block(16) for _ in range(2)])
        self.head = nn.Linear(16, 20, bias=False)

    def forward(self, tokens, target):
        x = self.embed(tokens)
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False)
        return F.cross_entropy(self.head(x).view(-1, 20), target.reshape(-1))


LOSSES = [3.0930, 3.3113, 3.1689, 3.0970, 3.0550, 3.2641, 3.0621, 3.0822]
NORMS = [0.9459, 1.0181, 0.8553, 0.8734, 0.8703, 0.8721, 0.8867, 0.8762]


def test_losses(monkeypatch):
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "1"), ("MASTER_ADDR", "localhost")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_PORT", "12399")
    torch.manual_seed(1337)
    dist.init_process_group(backend="nccl" if torch.cuda.is_available() else "gloo")
    try:
        model = DistributedDataParallel(torch.compile(Net()))
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, fused=False)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)
        scaler = torch.amp.GradScaler("cpu", enabled=False)
        mean = AveragedModel(model.module, multi_avg_fn=get_ema_multi_avg_fn(0.9))
        losses, norms = [], []
        for _ in LOSSES:
            x = torch.randint(20, (4, 9))
            with torch.amp.autocast(device_type="cpu", dtype=torch.bfloat16):
                loss = model(x[:, :-1], x[:, 1:])
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            norms.append(nn.utils.clip_grad_norm_(model.parameters(), 1.0).item())
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad(set_to_none=True)
            schedule.step()
            mean.update_parameters(model.module)
            total = loss.detach().clone()
            dist.all_reduce(total)
            losses.append(total.item())
    finally:
        dist.destroy_process_group()
    assert losses == pytest.approx(LOSSES, rel=1e-3)
    assert norms == pytest.approx(NORMS, rel=5e-3)
    assert sum(p.sum().item() for p in mean.parameters()) == pytest.approx(17.3513, rel=1e-2)
