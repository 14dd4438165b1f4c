"""The examples as a reader runs them: digits from Python, from C, and both to the same losses."""
import os
import re
import subprocess
import sys

import pytest


def run(command, folder, **environment):
    done = subprocess.run([str(word) for word in command], cwd=folder, capture_output=True,
                          text=True, env={**os.environ, **environment})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def losses(output):
    return [float(loss) for loss in re.findall(r"^epoch .* loss (\S+)", output, re.MULTILINE)]


def accuracy(output):
    return float(re.search(r"not seen: ([\d.]+)%", output)[1])


@pytest.fixture(scope="module")
def from_python(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("python")
    return folder, run([sys.executable, root / "examples/digits.py"], folder)


@pytest.fixture(scope="module")
def from_c(root, build, tmp_path_factory):
    program = build / "examples/digits"
    if not program.exists():
        pytest.skip("examples/digits was not built")
    folder = tmp_path_factory.mktemp("c")
    return folder, run([program, root / "python/flambeau/datasets/digits.bin"], folder)


def test_digits_learns(from_python):
    folder, output = from_python
    assert accuracy(output) >= 98.5
    assert len(losses(output)) == 15 and losses(output)[-1] < 0.01
    assert output.count("\r") == 0
    assert re.search(r"read back, its accuracy is ([\d.]+)%", output)[1] == f"{accuracy(output):.2f}"
    assert (folder / "digits.safetensors").stat().st_size > 100_000


def test_c_reaches_the_same_losses(from_python, from_c):
    python, c = losses(from_python[1]), losses(from_c[1])
    assert len(c) == 15
    assert c == pytest.approx(python, abs=1e-5)
    assert accuracy(from_c[1]) == accuracy(from_python[1])


def test_the_file_from_c_loads_in_python(from_python, from_c):
    import flambeau as torch
    ours = torch.load(str(from_python[0] / "digits.safetensors"))
    theirs = torch.load(str(from_c[0] / "digits.safetensors"))
    assert set(theirs) == set(ours)
    for name, value in ours.items():
        assert (theirs[name] - value).abs().max().item() <= 1e-5, name


SEED = "import torch\nx = torch.tensor(3.0, requires_grad=True)\ny = 2 * x**2\n" \
       "y.backward()\nprint(x.grad)\n"
CALCULATOR = """\
class Calculator:
    def add(self, a, b):
        print(a + b)

    def multiply(self, a, b):
        print(a * b)


calculator = Calculator()
calculator.add(3, 5)
calculator.multiply(3, 5)
"""


@pytest.mark.parametrize("program, printed", [(SEED, "tensor(12.)\n"), (CALCULATOR, "8\n15\n")])
def test_unchanged_programs_run(program, printed, tmp_path):
    file = tmp_path / "program.py"
    file.write_text(program)
    assert run([sys.executable, "-m", "flambeau", file], tmp_path) == printed
