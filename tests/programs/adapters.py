"""A teacher, a student that learns from it, and low-rank adapters put into the student afterwards;
averages of weights, hooks that look in, and what of it quantizes and counts."""
import math
import warnings

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.flop_counter import FlopCounterMode


class LoRA(nn.Module):
    def __init__(self, linear, rank=2, alpha=4):
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.A = nn.Parameter(torch.empty(rank, linear.in_features))
        self.B = nn.Parameter(torch.zeros(linear.out_features, rank))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
        self.scale = alpha / rank

    def forward(self, x):
        return self.linear(x) + x @ self.A.T @ self.B.T * self.scale


def inject(module):
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, LoRA(child))
        else:
            inject(child)


def net(width):
    return nn.Sequential(nn.Linear(12, width), nn.ReLU(), nn.Linear(width, 3))


torch.manual_seed(5)
x = torch.randn(96, 12)
y = (x[:, 0] + x[:, 1] * x[:, 2] > 0).long() + (x[:, 3] > 1).long()
teacher, student = net(48), net(8)
optimizer = torch.optim.RAdam(teacher.parameters(), lr=2e-2)
for _ in range(30):
    optimizer.zero_grad()
    F.cross_entropy(teacher(x), y, label_smoothing=0.05).backward()
    optimizer.step()
teacher.eval()
optimizer = torch.optim.NAdam(student.parameters(), lr=1e-2)
scheduler = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=15, power=2.0)
average = AveragedModel(student, multi_avg_fn=get_ema_multi_avg_fn(0.9))
for step in range(15):
    with torch.no_grad():
        wanted = F.softmax(teacher(x) / 3, 1)
    made = student(x)
    soft = nn.KLDivLoss(reduction="batchmean")(F.log_softmax(made / 3, 1), wanted) * 9
    loss = 0.7 * soft + 0.3 * F.cross_entropy(made, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    average.update_parameters(student)
    print(f"step {step} loss {loss.item():.6f} lr {scheduler.get_last_lr()[0]:.8f}")
print(int(average.n_averaged), f"{F.cross_entropy(average(x), y):.6f}")

seen = {}
handle = student[0].register_forward_hook(
    lambda module, args, out: seen.update(mean=out.mean().item(), shape=tuple(out.shape)))
student(x)
handle.remove()
print(f"{seen['mean']:.6f}", seen["shape"], len(student[0]._forward_hooks))

inject(student)
print(student)
trained = [p for p in student.parameters() if p.requires_grad]
print(sum(p.numel() for p in trained), sum(p.numel() for p in student.parameters()))
optimizer = torch.optim.AdamW(trained, lr=2e-2)
for step in range(6):
    loss = F.cross_entropy(student(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"adapted {step} loss {loss.item():.6f}")
print(sorted(name for name in student.state_dict() if name.endswith((".A", ".B"))))

with FlopCounterMode(display=False) as counter:
    teacher(x).sum().backward()
print(counter.get_total_flops(), {str(k): n for k, n in
                                  counter.get_flop_counts()["Sequential.2"].items()})
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    small = torch.ao.quantization.quantize_dynamic(teacher, {nn.Linear}, dtype=torch.qint8)
print(small)
print((small(x).argmax(1) == teacher(x).argmax(1)).float().mean().item() > 0.9)
print(" ".join(f"{v:.4f}" for v in small(x)[0].tolist()))
