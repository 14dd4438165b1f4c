"""Profiles the digits example's training, and draws its quickest step from the Chrome trace.

    python -m flambeau tools/profile_digits.py docs/digits_step.svg

Prints the profiler's table of all steps. The upper row of the picture are the program's own ranges
(record_function), the lower one the calls of operators; time goes from left to right.
"""
import json
import os
import sys
import tempfile
from html import escape

WARM, STEPS, BATCH = 5, 100, 64
WIDTH, LEFT, ROW, GAP = 960, 10, 34, 6
OTHER = "#9d9d9d"
FAMILIES = (("convolution", "#7ba4cc", "conv"), ("batch norm", "#f5a35c", "batch_norm"),
            ("pooling", "#7fc078", "pool"), ("ReLU", "#c79bbd", "relu"),
            ("linear", "#ea8482", "linear"), ("loss", "#8fcac5", "nll softmax"),
            ("other", OTHER, ""))


def record(path):
    """Writes the trace of STEPS steps, each within the range "step"; returns the table's text."""
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "examples"))
    import digits
    import torch

    torch.manual_seed(0)
    data = digits.Digits(train=True)
    model, loss_of = digits.network(), torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    mark = torch.profiler.record_function

    def step():
        batch = torch.randperm(len(data.data))[:BATCH]
        x, y = data.data[batch], data.targets[batch]
        with mark("step"):
            with mark("forward"):
                loss = loss_of(model(x), y)
            with mark("backward"):
                optimizer.zero_grad()
                loss.backward()
            with mark("Adam"):
                optimizer.step()

    for _ in range(WARM):
        step()
    with torch.profiler.profile() as profile:
        for _ in range(STEPS):
            step()
    profile.export_chrome_trace(path)
    return profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=15)


def quickest(events):
    """The shortest range "step", the ranges in it, and the calls in it."""
    step = min((e for e in events if e["name"] == "step"), key=lambda e: e["dur"])
    end = step["ts"] + step["dur"]
    inside = [e for e in events if step["ts"] <= e["ts"] < end and e is not step]
    return (step, [e for e in inside if not e["name"].startswith("aten::")],
            [e for e in inside if e["name"].startswith("aten::")])


def colour(name):
    return next((colour for _, colour, parts in FAMILIES
                 if any(part in name for part in parts.split())), OTHER)


def bar(event, start, scale, y, fill):
    """A bar with its time as a tooltip, and its name where that has room."""
    x, width = LEFT + (event["ts"] - start) * scale, max(event["dur"] * scale, 0.5)
    name = event["name"].removeprefix("aten::").lstrip("_")
    text = ""
    if 6 * len(name) + 4 < width:
        text = f'<text x="{x + 4:.1f}" y="{y + ROW / 2 + 4}">{escape(name)}</text>'
    return (f'<g><title>{escape(name)}: {event["dur"]:.1f} us</title>'
            f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW}" fill="{fill}" '
            f'stroke="white" stroke-width="0.6"/>{text}</g>')


def legend(y):
    """The families of operators beside their colours."""
    for i, (name, fill, _) in enumerate(FAMILIES):
        x = WIDTH - LEFT - 88 * (len(FAMILIES) - i)
        yield f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{fill}"/>'
        yield f'<text x="{x + 14}" y="{y}">{name}</text>'


def axis(duration, scale, y):
    """Marks of round times, at most ten."""
    every = next(n for k in range(9) for n in (10**k, 2 * 10**k, 5 * 10**k) if duration / n <= 10)
    for t in range(0, int(duration) + 1, every):
        x = LEFT + t * scale
        yield f'<path d="M{x:.1f} {y}v5" stroke="#555"/>'
        yield f'<text x="{x:.1f}" y="{y + 18}" text-anchor="middle" fill="#555">{t}</text>'


def draw(events):
    """The picture of the quickest step, as SVG text."""
    step, ranges, calls = quickest(events)
    start, scale = step["ts"], (WIDTH - 3 * LEFT) / step["dur"]
    top = 30
    height = top + 2 * (ROW + GAP) + 28
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="19" font-size="13">One step of {BATCH} digits: '
        f'{len(calls)} calls in {step["dur"]:,.0f} us</text>',
    ]
    lines += [bar(e, start, scale, top, "#dddddd") for e in ranges]
    lines += [bar(e, start, scale, top + ROW + GAP, colour(e["name"])) for e in calls]
    lines += legend(19)
    lines += axis(step["dur"], scale, top + 2 * (ROW + GAP))
    return "\n".join(lines + ["</svg>\n"])


def main(path):
    with tempfile.TemporaryDirectory() as folder:
        trace = os.path.join(folder, "trace.json")
        print(record(trace))
        with open(trace) as file:
            events = json.load(file)["traceEvents"]
    with open(path, "w") as file:
        file.write(draw(events))


if __name__ == "__main__":
    main(sys.argv[1])
