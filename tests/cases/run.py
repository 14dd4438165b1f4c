"""Small programs made from public bug reports and questions, with PyTorch 2.13's output beside each.

    python tests/cases/run.py [NAME ...] [--lib flambeau] [--show 5] [--expect FILE] [--record FILE]

Runs each program as `python -m LIB program.py` (LIB torch: `python program.py`) and compares its
output with the stored one line by line: text exactly, numbers within 1e-5 of their size. Where
PyTorch itself misbehaves a better line is right: accepted.txt lists such lines, each under a comment
that says why. NAME is any part of a program's name.

--expect: fails where a program has fewer right lines than this file says; --record writes it.
"""

import argparse
import json
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
NUMBER = re.compile(
    r"(?<![A-Za-z_\d.])-?(?:\d+\.\d*(?:e[+-]?\d+)?|\d+e[+-]?\d+|\d+)(?![A-Za-z_\d])"
)
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "LANG": "en_US.UTF-8",
    "FLAMBEAU_LANG": "en",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def same_number(x, y):
    if x == y:
        return True
    if not any(c in x + y for c in ".e"):
        return False
    a, b = float(x), float(y)
    return math.copysign(1, a) == math.copysign(1, b) and abs(a - b) <= 1e-5 * max(abs(a), abs(b))


def same(a, b):
    return a == b or (
        NUMBER.split(a) == NUMBER.split(b)
        and all(map(same_number, NUMBER.findall(a), NUMBER.findall(b)))
    )


def accepted_lines():
    """"program: line", where the line is better than PyTorch's."""
    text = (HERE / "accepted.txt").read_text(encoding="utf-8")
    return {line.strip() for line in text.splitlines() if line.strip() and line[0] != "#"}


def label(line):
    """What names a line: all before "->" or "|", else its first word."""
    found = re.match(r"(.*?)( -> | \| )", line)
    return found[1] if found else line.split(" ")[0]


def output_of(program, python, library):
    """Its lines, and how it ended where that was no good end."""
    command = [python, *(["-m", library] if library != "torch" else []), program.name]
    try:
        run = subprocess.run(
            command, cwd=HERE, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True,
            timeout=300, check=False,
        )
    except subprocess.TimeoutExpired as late:
        return (late.stdout or b"").decode("utf-8", "replace").splitlines(), "ran past 300 s"
    last = (run.stderr.splitlines() or [""])[-1][:160]
    return run.stdout.splitlines(), f"exit {run.returncode}: {last}" if run.returncode else ""


def wrong_lines(program, lines, accepted):
    """(PyTorch's line, the library's) where they differ and the latter is not accepted."""
    by_label = {}
    for line in lines:
        by_label.setdefault(label(line), []).append(line)
    wrong = []
    for want in program.with_suffix(".txt").read_text(encoding="utf-8").splitlines():
        alike = by_label.get(label(want), [])
        if any(same(want, got) for got in alike) or any(same(want, got) for got in lines):
            continue
        if not any(f"{program.stem}: {got}" in accepted for got in alike):
            wrong.append((want, (alike or ["(nothing)"])[0]))
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--lib", default="flambeau")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--show", type=int, default=5)
    parser.add_argument("--expect", type=Path)
    parser.add_argument("--record", type=Path)
    args = parser.parse_intermixed_args()
    start = time.monotonic()
    accepted, right, total, whole, worse = accepted_lines(), {}, 0, 0, []
    expected = json.loads(args.expect.read_text()) if args.expect else {}
    for program in sorted(HERE.glob("*.py")):
        if program == Path(__file__).resolve() or not any(
            name in program.name for name in args.names or [""]
        ):
            continue
        lines, end = output_of(program, args.python, args.lib)
        wrong = wrong_lines(program, lines, accepted)
        count = len(program.with_suffix(".txt").read_text(encoding="utf-8").splitlines())
        right[program.stem], total = count - len(wrong), total + count
        whole += not wrong and not end
        if right[program.stem] < expected.get(program.stem, 0):
            worse.append(program.stem)
        if wrong or end:
            print(f"{program.stem}: {count - len(wrong)} of {count} lines {end}")
        for want, got in wrong[: args.show]:
            print(f"    PyTorch: {want[:200]}\n    {args.lib + ':':8s} {got[:200]}")
    print(f"cases: {whole} of {len(right)} programs whole, {sum(right.values())} of {total} lines")
    for name in worse:
        print(f"worse than before: {name}, {right[name]} lines, {expected[name]} expected")
    if args.record:
        args.record.write_text(json.dumps(right, indent=1) + "\n")
    seconds = time.monotonic() - start
    print(f"{len(right) - len(worse)} passed, {len(worse)} failed in {seconds:.1f}s")
    sys.exit(1 if worse or (not args.expect and whole < len(right)) else 0)


if __name__ == "__main__":
    main()
