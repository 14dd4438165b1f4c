"""The learner's examples in Python, each for a few steps: they run, and print what they promise; those
that have a twin in C print its losses."""
import os
import re
import subprocess
import sys

import pytest

# program -> (steps, what it prints)
PROGRAMS = {
    "regression": (40, r"step +40  loss 0\.\d+\ndistance [^\n]*: 0\.\d+\n\n +1\.\d \|"),
    "char_gpt": (4, r"45 different ones.*step +4  loss \d\.\d+ [^\n]*\n\nThe "),
    "lstm_waves": (10, r"step +10  loss \d\.\d+\n.*\*.*mean error over 40 steps ahead: \d"),
    "vae": (2, r"epoch +2  loss \d\d\.\d+ = .*new digits.*[▒▓█]"),
    "dqn": (10, r"episode +10  trained .*the pole stands for \d+ of 500 steps"),
}


# Those whose twin in C draws the same numbers -> what it wants before seed and steps.
TWINS = {
    "regression": [],
    "lstm_waves": [],
    "vae": ["python/flambeau/datasets/digits.bin"],
}


def losses(output):
    return re.findall(r"^(?:step|epoch) .*", output, re.MULTILINE)


@pytest.mark.parametrize("name", PROGRAMS)
def test_runs_and_prints(root, build, tmp_path, name):
    steps, printed = PROGRAMS[name]
    done = subprocess.run(
        [sys.executable, str(root / "examples" / f"{name}.py"), "0", str(steps)],
        cwd=tmp_path, capture_output=True, timeout=300,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "MPLBACKEND": "Agg"},
    )
    output = done.stdout.decode()
    assert done.returncode == 0, output + done.stderr.decode()
    assert re.search(printed, output, re.DOTALL), output
    assert b"Warning" not in done.stderr, done.stderr.decode()
    program = build / "examples" / name
    if name in TWINS and program.exists():
        command = [program, *(root / path for path in TWINS[name]), "0", str(steps)]
        twin = subprocess.run([str(word) for word in command], capture_output=True, timeout=300)
        assert twin.returncode == 0, twin.stderr.decode()
        assert losses(twin.stdout.decode()) == losses(output) != []


def test_the_list_of_examples_is_whole(root):
    listed = set(re.findall(r"\]\((\w+\.(?:py|c))\)", (root / "examples/README.md").read_text()))
    there = {path.name for path in (root / "examples").iterdir() if path.suffix in (".py", ".c")}
    assert listed == there
