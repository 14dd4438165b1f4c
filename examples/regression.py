"""Fits a curve to noisy points with a small network, and plots points and curve.

    python examples/regression.py [seed] [steps]

The plot is drawn as text; where Matplotlib is installed it is saved as regression.png too.
"""
import importlib.util
import io
import math
import sys

import flambeau as torch
from flambeau import nn

POINTS, WIDTH, HEIGHT = 200, 72, 18


def measure(count):
    """Points x (N, 1) from -3 to 3 with measurements y = sin(2x) + x/3 + noise (N, 1)."""
    x = 6 * torch.rand(count, 1) - 3
    return x, torch.sin(2 * x) + x / 3 + 0.15 * torch.randn(count, 1)


def fit(x, y, steps):
    """A network trained to give y at x; prints the loss, the mean squared error."""
    model = nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(1, steps + 1):
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % max(1, steps // 5) == 0:
            print(f"step {step:4d}  loss {loss.item():.4f}")
    return model


def draw(x, y, curve_x, curve_y):
    """Points as dots and the curve as stars, in a box of characters; top and bottom are labelled."""
    low, high = min(y.min().item(), curve_y.min().item()), max(y.max().item(), curve_y.max().item())
    rows = [[" "] * WIDTH for _ in range(HEIGHT)]
    for xs, ys, mark in ((x, y, "·"), (curve_x, curve_y, "*")):
        for a, b in zip(xs.flatten().tolist(), ys.flatten().tolist()):
            column = round((a + 3) / 6 * (WIDTH - 1))
            row = round((high - b) / (high - low) * (HEIGHT - 1))
            rows[row][column] = mark
    for i, row in enumerate(rows):
        label = f"{high:5.1f}" if i == 0 else f"{low:5.1f}" if i == HEIGHT - 1 else ""
        print(f"{label:>5} |{''.join(row)}")
    print(f"{'':5} +{'-' * WIDTH}\n{'':5}  {'-3':<{WIDTH // 2}}{'3':>{WIDTH // 2}}")


def save(x, y, curve_x, curve_y, path):
    """The same plot as an image, by Matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.figure(figsize=(8, 4.5))
    pyplot.scatter(x.flatten().tolist(), y.flatten().tolist(), s=8, label="measured")
    pyplot.plot(curve_x.flatten().tolist(), curve_y.flatten().tolist(), "r", label="fitted")
    pyplot.legend()
    pyplot.savefig(path)
    print(f"saved as {path}")


def main(seed, steps):
    torch.manual_seed(seed)
    x, y = measure(POINTS)
    model = fit(x, y, steps)
    curve_x = torch.linspace(-3, 3, WIDTH).unsqueeze(1)
    with torch.no_grad():
        curve_y = model(curve_x)
    truth = torch.sin(2 * curve_x) + curve_x / 3
    error = math.sqrt(nn.functional.mse_loss(curve_y, truth).item())
    print(f"distance of the curve from the truth without noise: {error:.3f}\n")
    draw(x, y, curve_x, curve_y)
    if importlib.util.find_spec("matplotlib"):
        save(x, y, curve_x, curve_y, "regression.png")


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    arguments = [int(word) for word in sys.argv[1:]]
    main(arguments[0] if arguments else 0, arguments[1] if arguments[1:] else 1000)
