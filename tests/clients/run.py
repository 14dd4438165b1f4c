"""Runs real client programs under PyTorch and under `python -m flambeau`; compares what they print.

    python -m venv clients && . clients/bin/activate
    pip install torch==2.13.0 torchvision==0.28.0 --index-url https://download.pytorch.org/whl/cpu
    pip install einops timm transformers torchmetrics safetensors accelerate skorch vit-pytorch \\
        x-transformers stable-baselines3 torch_geometric gymnasium scikit-learn
    PYTHONPATH=path/to/flambeau/python python tests/clients/run.py [NAME ...]

A line agrees when its words are equal and its numbers within 1e-4 relative. The exit status is the
number of programs that differ.
"""

import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ORDER = """einops timm transformers torchmetrics safetensors accelerate skorch vit_pytorch
x_transformers stable_baselines3 torch_geometric""".split()
NUMBER = re.compile(r"-?(?:\d+\.?\d*(?:e[-+]?\d+)?|inf|nan)")


def output(name, launcher):
    """What the client prints, and the last line of its complaint."""
    command = [sys.executable, *launcher, os.path.join(HERE, f"c_{name}.py")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1800)
    complaint = "" if run.returncode == 0 else (run.stderr.strip() or "died").splitlines()[-1]
    return run.stdout.splitlines(), complaint


def agree(line, expected):
    """Whether two lines have equal words and close numbers."""
    if NUMBER.sub("#", line) != NUMBER.sub("#", expected):
        return False
    pairs = zip(map(float, NUMBER.findall(line)), map(float, NUMBER.findall(expected)))
    return all(a == b or abs(a - b) <= 1e-4 * abs(b) + 1e-7 or a != a and b != b for a, b in pairs)


def compare(name):
    """Prints how one client fares; whether all its lines agree."""
    expected, trouble = output(name, [])
    if trouble:
        print(f"{name}: does not run under PyTorch: {trouble}")
        return False
    lines, complaint = output(name, ["-m", "flambeau"])
    differing = [(a, b) for a, b in zip(lines, expected) if not agree(a, b)]
    good = min(len(lines), len(expected)) - len(differing)
    print(f"{name}: {good} of {len(expected)} lines agree", flush=True)
    for line, other in differing:
        print(f"    flambeau  {line}\n    pytorch   {other}")
    if complaint:
        print(f"    stops: {complaint}")
    return not complaint and not differing and len(lines) == len(expected)


def main():
    sys.exit(sum(not compare(name) for name in sys.argv[1:] or ORDER))


main()
