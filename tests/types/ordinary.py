"""An ordinary program, in which a type checker must find nothing."""
import flambeau as torch
import flambeau.nn.functional as F
from flambeau import Tensor, nn, optim
from flambeau.utils.data import DataLoader, Dataset, TensorDataset, random_split


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm(self.conv(x)), inplace=True)
        return x + self.scale * y


class Numbers(Dataset):
    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.full((4,), float(index)), index % 2


def tensors() -> list[Tensor]:
    x = torch.randn(8, 4)
    y = torch.randn((8, 4), dtype=torch.float64, device="cpu")
    z = torch.zeros(2, 3).reshape(2, -1).view(-1).unsqueeze(0).expand(4, -1)
    n = torch.arange(10).reshape(2, 5)[:, 1:3][..., None]
    values, places = x.max(dim=1)
    top = x.topk(2, dim=1).values
    w = (x + 1) * 2 - x / 3 ** 2 + 1 - x
    w += 1
    w[0, 0] = 3.5
    mask = (x > 0) & (x < 1) | ~(x != 0.5)
    a, b = torch.split(x, 4)
    m = x @ x.T + torch.eye(8)
    rows, columns = x.shape
    q = x.to(torch.float16).float().sum(dim=(0, 1), keepdim=True).squeeze()
    s = torch.stack([row.mean() for row in x], dim=0).softmax(dim=0)
    t = torch.where(mask, x, torch.zeros_like(x)).clamp(min=0, max=1.0)
    u = torch.cat((x, x), dim=1).permute(1, 0).contiguous().flip(0)
    v = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    k = torch.linalg.solve(v, torch.ones(2)) + torch.special.expit(torch.ones(2))
    i = int(places[0].item()) + rows + columns + x.size(0) + len(x)
    print(values, i, k, bool(mask.any()), f"{x.mean().item():.3f}", x.tolist(), n, top, a, b)
    return [x, y, z, m, q, s, t, u, v, w]


def train(device: torch.device) -> float:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), Residual(8), nn.Flatten(), nn.Linear(8 * 36, 10)
    ).to(device)
    data = TensorDataset(torch.randn(32, 1, 8, 8), torch.randint(0, 10, (32,)))
    known, held_out = random_split(data, [24, 8])
    loader = DataLoader(known, batch_size=8, shuffle=True, num_workers=0, drop_last=True)
    optimizer = optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    total = 0.0
    for epoch in range(2):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x.to(device)), y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += loss.item()
        scheduler.step()
        model.eval()
        with torch.no_grad():
            right = sum((model(x[None]).argmax(1) == y).sum().item() for x, y in held_out)
        print(epoch, right, optimizer.param_groups[0]["lr"])
    torch.save(model.state_dict(), "model.pt")
    model.load_state_dict(torch.load("model.pt", map_location="cpu"))
    for name, p in model.named_parameters():
        if p.grad is not None:
            print(name, p.grad.abs().max(), p.numel(), p.requires_grad)
    return total


@torch.no_grad()
def recurrent(words: Tensor) -> Tensor:
    embed, lstm = nn.Embedding(100, 16), nn.LSTM(16, 32, num_layers=2, batch_first=True)
    output, (hidden, cell) = lstm(embed(words))
    attention = nn.MultiheadAttention(32, 4, batch_first=True)
    seen, weights = attention(output, output, output)
    print(hidden.shape[0], cell.size(1), weights.sum())
    return seen[:, -1]


if __name__ == "__main__":
    print(len(tensors()), train(torch.device("cpu")), recurrent(torch.zeros(2, 5).long()).shape)
    print(next(iter(DataLoader(Numbers(), batch_size=2))))
