"""An LSTM learns how waves go on, and predicts one that it has not seen.

    python examples/lstm_waves.py [seed] [steps]
"""
import io
import math
import sys

import flambeau as torch
from flambeau import nn

SEEN, AHEAD, BATCH, HEIGHT = 60, 40, 32, 13


def waves(count, length):
    """Sums of two sines of random period and phase: (N, length, 1)."""
    period = 12 + 18 * torch.rand(count, 2, 1)
    phase = 2 * math.pi * torch.rand(count, 2, 1)
    size = torch.tensor([[1.0], [0.5]])
    time = torch.arange(length, dtype=torch.float32)
    return (size * torch.sin(2 * math.pi * time / period + phase)).sum(1).unsqueeze(-1)


class Oracle(nn.Module):
    """Values (N, T, 1) in; for each the value that comes next, and the state to go on from."""

    def __init__(self, hidden=64):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.value = nn.Linear(hidden, 1)

    def forward(self, x, state=None):
        y, state = self.lstm(x, state)
        return x + self.value(y), state  # what is learnt is the change


def train(model, steps):
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    for step in range(1, steps + 1):
        wave = waves(BATCH, SEEN + AHEAD)
        predicted, _ = model(wave[:, :-1])
        loss = nn.functional.mse_loss(predicted[:, 10:], wave[:, 11:])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % max(1, steps // 5) == 0:
            print(f"step {step:4d}  loss {loss.item():.5f}", flush=True)


@torch.no_grad()
def predict(model, seen, count):
    """How a wave (1, T, 1) goes on: each prediction is the next input. (count,)"""
    y, state = model(seen)
    values = [y[:, -1:]]
    for _ in range(count - 1):
        y, state = model(values[-1], state)
        values.append(y)
    return torch.cat(values, 1).flatten()


def draw(truth, predicted):
    """The wave as dots and what was predicted of it as stars."""
    rows = [[" "] * len(truth) for _ in range(HEIGHT)]
    row = lambda value: max(0, min(HEIGHT - 1, round((1.6 - value) / 3.2 * (HEIGHT - 1))))
    for column, value in enumerate(truth.tolist()):
        rows[row(value)][column] = "·"
    for column, value in enumerate(predicted.tolist()):
        rows[row(value)][SEEN + column] = "*"
    print("\n" + "\n".join("".join(line).rstrip() for line in rows))
    print("-" * SEEN + "|" + "-" * (AHEAD - 1) + "\n" + "seen".ljust(SEEN) + "predicted *, true ·")


def main(seed, steps):
    torch.manual_seed(seed)
    model = Oracle()
    train(model, steps)
    truth = waves(1, SEEN + AHEAD)
    predicted = predict(model, truth[:, :SEEN], AHEAD)
    error = (predicted - truth[0, SEEN:, 0]).abs().mean().item()
    draw(truth.flatten(), predicted)
    print(f"mean error over {AHEAD} steps ahead: {error:.3f}")


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    arguments = [int(word) for word in sys.argv[1:]]
    main(arguments[0] if arguments else 0, arguments[1] if arguments[1:] else 900)
