"""Trains a small convolutional network on 1,797 handwritten digits, and looks at its mistakes.

    python examples/digits.py [seed] [--device opencl]

An ordinary PyTorch program but for its first import. examples/digits.c is the same in C, to the
same numbers.
"""
import argparse
import io
import sys
import time

import flambeau as torch
from flambeau import nn
from flambeau.datasets import Digits

EPOCHS, BATCH, FILE = 15, 64, "digits.safetensors"
SHADES = " ░▒▓█"


def network():
    """Images (N, 1, 8, 8) in, a score for each of the ten digits (N, 10) out."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),    # 4 x 4
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),    # 2 x 2
        nn.Flatten(), nn.Linear(256, 10))


def train(model, images, labels):
    """Fifteen passes over the images in random order, with a line of progress for each."""
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    loss_of = nn.CrossEntropyLoss()
    model.train()
    for epoch in range(1, EPOCHS + 1):
        start, seen, right, loss_sum = time.perf_counter(), 0, 0, 0.0
        for batch in torch.randperm(len(images)).split(BATCH):
            x, y = images[batch], labels[batch]
            scores = model(x)
            loss = loss_of(scores, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

            seen += len(batch)
            right += (scores.argmax(1) == y).sum().item()
            loss_sum += loss.item() * len(batch)
            speed = seen / (time.perf_counter() - start)
            progress(epoch, seen / len(images), loss_sum / seen, right / seen, speed)


def progress(epoch, done, loss, accuracy, speed):
    """One line: redrawn as it fills on a terminal, written once when it is full elsewhere."""
    line = f"epoch {epoch:2d}  loss {loss:.6f}  accuracy {accuracy:7.2%}  {speed:7,.0f} images/s"
    if sys.stdout.isatty():
        bar = "█" * int(24 * done)
        print(f"\r{bar:░<24}  {line}", end="\n" if done == 1 else "", flush=True)
    elif done == 1:
        print(line, flush=True)


def evaluate(model, images):
    """What the model sees in each image, and how sure it is: (N,) digits, (N,) probabilities."""
    model.eval()
    with torch.no_grad():
        sure, guess = model(images).softmax(1).max(1)
    return guess, sure


def print_confusion(guess, labels):
    table = [[0] * 10 for _ in range(10)]
    for seen, true in zip(guess.tolist(), labels.tolist()):
        table[true][seen] += 1
    print("\ntrue \\ seen as" + "".join(f"{digit:4d}" for digit in range(10)))
    for digit, row in enumerate(table):
        print(f"{digit:14d}" + "".join(f"{count or '.':>4}" for count in row))


def draw(images, titles):
    """Draws images (N, 1, 8, 8) with values 0 to 1 side by side, each pixel two characters wide."""
    print("\n" + "".join(f"{title:22s}" for title in titles))
    for y in range(8):
        for image in images:
            row = image[0][y].tolist()
            print("".join(2 * SHADES[round(4 * grey)] for grey in row), end=6 * " ")
        print()


def main(seed, device):
    torch.manual_seed(seed)
    known, held_out = Digits(train=True), Digits(train=False)
    print(f"{len(known):,} handwritten digits to learn from, {len(held_out)} held out")

    model = network().to(device)
    train(model, known.data.to(device), known.targets.to(device))

    images, labels = held_out.data.to(device), held_out.targets.to(device)
    guess, sure = evaluate(model, images)
    right = guess == labels
    accuracy = right.float().mean().item()
    print(f"\naccuracy on the {len(labels)} digits it has not seen: {accuracy:.2%}")
    print_confusion(guess, labels)

    wrong = [i for i, good in enumerate(right.tolist()) if not good]
    least_sure = [i for i in sure.argsort().tolist() if i not in wrong]
    shown = (wrong + least_sure)[:3]
    beside = "" if len(wrong) >= 3 else "; then those it was least sure of"
    print(f"\n{len(wrong)} wrong{beside}")
    draw(images[shown], [f"{labels[i]} seen as {guess[i]}, {sure[i]:.0%}" for i in shown])

    torch.save(model.state_dict(), FILE)
    again = network()
    again.load_state_dict(torch.load(FILE, map_location="cpu"))
    guess, _ = evaluate(again, held_out.data)
    accuracy = (guess == held_out.targets).float().mean().item()
    print(f"\nsaved as {FILE}; read back, its accuracy is {accuracy:.2%}")


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("seed", nargs="?", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="cpu or opencl")
    args = parser.parse_args()
    main(args.seed, args.device)
