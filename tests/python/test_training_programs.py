"""Small training programs of different kinds print the losses that PyTorch prints.

tests/programs/NAME.py runs under `python -m flambeau`; NAME.out beside it is what PyTorch 2.13
prints on a CPU, from the same seed. Words must be the same and numbers agree to 1e-4 of their size.
"""
import pathlib
import re
import subprocess
import sys

import pytest

FOLDER = pathlib.Path(__file__).parent.parent / "programs"
NUMBER = re.compile(r"-?\d+\.\d+")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_prints_what_pytorch_prints(path):
    run = subprocess.run([sys.executable, "-m", "flambeau", str(path)], capture_output=True,
                         text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    wanted = path.with_suffix(".out").read_text()
    assert NUMBER.sub("#", run.stdout) == NUMBER.sub("#", wanted)
    for ours, theirs in zip(run.stdout.splitlines(), wanted.splitlines(), strict=True):
        for a, b in zip(NUMBER.findall(ours), NUMBER.findall(theirs), strict=True):
            assert abs(float(a) - float(b)) <= 1e-4 * abs(float(b)) + 1e-7, (ours, theirs)
