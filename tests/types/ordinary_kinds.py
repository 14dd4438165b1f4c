"""Ordinary code of several kinds, in which a type checker must find nothing: a generic dataset, a
sampler, an optimizer and a Function of one's own, sizes as tuples, options that are floats."""
from typing import Any, Iterator, Optional, Sequence
import flambeau as torch
from flambeau import nn, Tensor
import flambeau.nn.functional as F
from flambeau.utils.data import DataLoader, Dataset, Sampler, random_split
import flambeau.utils.data as data
from flambeau.optim import Optimizer
from flambeau.optim.lr_scheduler import (
    CosineAnnealingWarmRestarts,
    CyclicLR,
    LRScheduler,
    MultiStepLR,
    ReduceLROnPlateau,
)


class Pairs(Dataset[tuple[Tensor, Tensor]]):
    def __init__(self, x: Tensor, y: Tensor) -> None:
        super().__init__()
        self.x, self.y = x, y

    def __len__(self) -> int:
        return self.x.size(0)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.x[index], self.y[index]


class Every2(Sampler[int]):
    def __init__(self, n: int) -> None:
        self.n = n

    def __iter__(self) -> Iterator[int]:
        return iter(range(0, self.n, 2))

    def __len__(self) -> int:
        return self.n // 2


class Lion(Optimizer):
    def __init__(self, params: Any, lr: float = 1e-4, betas: tuple[float, float] = (0.9, 0.99),
                 weight_decay: float = 0.0) -> None:
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["m"] = torch.zeros_like(p)
                p.data.mul_(1 - group["lr"] * group["weight_decay"])
                u = state["m"].mul(group["betas"][0]).add(p.grad, alpha=1 - group["betas"][0])
                p.add_(u.sign_(), alpha=-group["lr"])
                state["m"].lerp_(p.grad, 1 - group["betas"][1])
        return loss


class Exp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return g * y


class Unet(nn.Module):
    def __init__(self, c: Sequence[int] = (3, 8, 16)):
        super().__init__()
        pairs = list(zip(c, c[1:]))
        self.down = nn.ModuleList(
            nn.Conv2d(i, o, (3, 3), stride=(2, 2), padding=(1, 1)) for i, o in pairs
        )
        self.up = nn.ModuleList([
            nn.ConvTranspose2d(o, i, kernel_size=4, stride=2, padding=1, output_padding=(0, 0))
            for i, o in reversed(pairs)
        ])
        self.same = nn.Conv2d(
            c[0], c[0], 5, padding="same", padding_mode="circular", dilation=(1, 1)
        )
        self.pool = nn.MaxPool2d((2, 2), stride=(1, 1), padding=(1, 1))
        self.avg = nn.AvgPool2d(2, padding=(0, 0))
        self.norm = nn.BatchNorm2d(c[0], momentum=None)
        self.gn = nn.GroupNorm(1, c[0])
        self.drop = nn.Dropout2d(0.1)
        self.emb = nn.Embedding(10, 4, padding_idx=0)
        self.act: nn.Module = nn.SiLU()
        self.weights = nn.ParameterList([nn.Parameter(torch.ones(1))])
        self.cell = nn.LSTMCell(4, 4)
        self.attn = nn.MultiheadAttention(4, 2, dropout=0.1, batch_first=True)
        layer = nn.TransformerEncoderLayer(4, 2, 8, 0.1, activation="gelu", batch_first=True)
        self.enc = nn.TransformerEncoder(layer, num_layers=2)
        self.t = nn.Transformer(d_model=4, nhead=2, activation=F.gelu, batch_first=True)

    def forward(
        self, x: Tensor, t: Optional[Tensor] = None, *, scale: float = 1.0
    ) -> dict[str, Tensor]:
        skips = []
        for d in self.down:
            skips.append(x)
            x = F.relu(d(x))
        for u in self.up:
            x = F.elu(u(x)) + skips.pop() * scale
        x = F.interpolate(x, size=(8, 8), mode="nearest")
        h, c = self.cell(torch.zeros(1, 4), (torch.zeros(1, 4), torch.zeros(1, 4)))
        if t is not None:
            h = h + self.emb(t).mean(1)
        return {"x": self.norm(self.same(x)), "h": h, "w": self.weights[0]}


def fit(
    model: nn.Module, loader: DataLoader[tuple[Tensor, Tensor]], opt: Optimizer,
    sched: LRScheduler, device: torch.device, dtype: torch.dtype = torch.float32,
) -> list[float]:
    losses: list[float] = []
    for x, y in loader:
        out = model(x.to(device=device, dtype=dtype))["x"]
        loss = F.mse_loss(out, y) + 0.1 * sum(p.pow(2).sum() for p in model.parameters())
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    sched.step()
    return losses


def main() -> None:
    torch.set_default_dtype(torch.float32)
    torch.use_deterministic_algorithms(True)
    ds = Pairs(torch.rand(8, 3, 8, 8), torch.rand(8, 3, 8, 8))
    train, test = random_split(ds, [0.75, 0.25], generator=torch.Generator().manual_seed(0))
    loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
        train, batch_size=2, num_workers=0, generator=torch.Generator()
    )
    other = data.DataLoader(ds, batch_size=4, sampler=Every2(8))
    model = Unet()
    opt = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    rms = torch.optim.RMSprop(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    ada = torch.optim.Adagrad(
        model.parameters(), lr_decay=1e-3, weight_decay=0.1, initial_accumulator_value=0.1
    )
    nad = torch.optim.NAdam(model.parameters(), weight_decay=1e-2)
    rad = torch.optim.RAdam(model.parameters(), weight_decay=1e-2)
    adamw = torch.optim.AdamW(model.parameters(), lr=torch.tensor(1e-3), amsgrad=True)
    adadelta = torch.optim.Adadelta(model.parameters(), weight_decay=0.1)
    adamax = torch.optim.Adamax(model.parameters(), weight_decay=0.1)
    asgd = torch.optim.ASGD(model.parameters(), weight_decay=0.1)
    lb = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=4, line_search_fn="strong_wolfe")
    lion = Lion(model.parameters())
    sched = MultiStepLR(opt, milestones=[2, 4], gamma=0.1)
    pl = ReduceLROnPlateau(opt, "min", min_lr=1e-6, threshold=1e-3)
    cyc = CyclicLR(opt, 1e-4, 1e-2, mode="exp_range", base_momentum=[0.8])
    warm = CosineAnnealingWarmRestarts(opt, T_0=2, eta_min=1e-5)
    print(fit(model, loader, opt, sched, torch.device("cpu")), len(test), len(other))
    print([name for name, _ in model.named_modules()][:2])
    def closure() -> Tensor:
        lb.zero_grad()
        loss = model(torch.rand(2, 3, 8, 8))["x"].pow(2).mean()
        loss.backward()
        return loss
    lb.step(closure)
    pl.step(0.5)
    print(rms, ada, nad, rad, adamw, adadelta, adamax, asgd, lion.state_dict().keys())
    print(cyc.get_last_lr(), warm)
    ck: dict[str, Any] = {"model": model.state_dict(), "optim": opt.state_dict()}
    torch.save(ck, "more.pt")
    ck = torch.load("more.pt")
    missing, unexpected = model.load_state_dict(ck["model"], strict=False)
    opt.load_state_dict(ck["optim"])
    print(Exp.apply(torch.ones(2)), len(train), len(loader.dataset), model.down[0].weight.norm())
    model.requires_grad_(True).train().eval().half().float()
    params = list(model.parameters())
    flat = nn.utils.parameters_to_vector(params)
    nn.utils.vector_to_parameters(flat, params)
    nn.init.kaiming_uniform_(params[0], a=0.2, mode="fan_in", nonlinearity="leaky_relu")
    nn.init.orthogonal_(params[0], gain=0.5)
    nn.init.trunc_normal_(params[0], std=0.02)
    torch.manual_seed(0)
    dots = torch.func.vmap(lambda a, b: (a * b).sum(), in_dims=(0, None))
    g = dots(torch.ones(3, 2), torch.ones(2))
    h = torch.vmap(torch.sum, in_dims=1)(torch.ones(2, 3))
    j = torch.func.grad(lambda a: (a ** 2).sum())(torch.ones(3))
    f = torch.fft.rfft(torch.ones(8)).abs()
    k = F.unfold(torch.rand(1, 3, 4, 4), (2, 2), stride=(2, 2), padding=(0, 0))
    nn.Unfold((2, 2), padding=(1, 1), stride=(2, 2))(torch.rand(1, 1, 4, 4))
    print(g, h, j, f, k.shape, missing, unexpected)


if __name__ == "__main__":
    main()
