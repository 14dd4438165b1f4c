"""python -m flambeau: programs run as under python, and `import torch` means Flambeau."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

import flambeau

PACKAGES = str(pathlib.Path(flambeau.__file__).absolute().parent.parent)


def run(*arguments, cwd=None, stdin="", through=True):
    """(exit status, output, errors) of `python [-m flambeau] arguments`."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([PACKAGES, *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    command = [sys.executable, *(["-m", "flambeau"] if through else []), *map(str, arguments)]
    done = subprocess.run(
        command, cwd=cwd, input=stdin, capture_output=True, text=True, env=environment, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


PROGRAMS = {
    "calculator": (
        "class Calculator:\n"
        "    def add(self, a, b):\n        print(a + b)\n"
        "    def multiply(self, a, b):\n        print(a * b)\n"
        "c = Calculator()\nc.add(3, 5)\nc.multiply(3, 5)\n"
    ),
    "about itself": (
        "'''text'''\nimport sys\n"
        "print(__name__, __doc__, __file__, __spec__, sys.argv, sys.path[0])\n"
        "print(sorted(globals()), sys.modules['__main__'].__dict__ is globals())\n"
    ),
    "pickles its own "
    "class": "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))))\n",
    "reads": "print(input() + '!')\n",
    "exit code": "import sys\nsys.exit(7)\n",
    "exit text": "import sys\nsys.exit('bye')\n",
    "exception": "def f(x):\n    return 1 / x\ntry:\n    f(0)\nexcept ZeroDivisionError as "
    "e:\n    raise ValueError('no') from e\n",
    "syntax error": "x = (\n",
    "hook": "import sys\nsys.excepthook = lambda *a: print('hook', a[0])\n1 / 0\n",
    "at exit": "import atexit\nx = 5\natexit.register(lambda: print(x))\n",
    "thread": "import threading\nthreading.Timer(0.05, lambda: print('late', __name__)).start()\n",
    "latin-1": "# -*- coding: latin-1 -*-\nprint(ascii('é'))\n",
    "sibling": "import helper\nprint(helper.value)\n",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_under_python(tmp_path, name):
    encoding = "latin-1" if name == "latin-1" else "utf-8"
    (tmp_path / "program.py").write_text(PROGRAMS[name], encoding=encoding)
    (tmp_path / "helper.py").write_text("value = 42\n")
    for arguments in (("program.py", "a", "--flag"), (tmp_path / "program.py",)):
        plain = run(*arguments, cwd=tmp_path, stdin="hello\n", through=False)
        assert run(*arguments, cwd=tmp_path, stdin="hello\n") == plain


def test_modules_texts_and_folders(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(
        "import sys\nprint(__name__, __package__, sys.argv, sys.path[0])\n1 / 0\n"
    )
    for arguments in (
        ("-m", "package", "x"),
        ("package", "x"),
        ("-c", "import sys; print(sys.argv); 1/0", "x"),
    ):
        assert run(*arguments, cwd=tmp_path) == run(*arguments, cwd=tmp_path, through=False)
    assert run("-", cwd=tmp_path, stdin="print(1 + 1)\n") == (0, "2\n", "")


def test_interrupt(tmp_path):
    status, _, errors = run("-c", "raise KeyboardInterrupt")
    assert status == -signal.SIGINT and "KeyboardInterrupt" in errors


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_started_afresh(tmp_path, method):
    program = tmp_path / "program.py"
    program.write_text(
        "import multiprocessing, torch\n"
        "def work(queue):\n"
        "    queue.put(torch.ones(2).sum().item())\n"
        "if __name__ == '__main__':\n"
        f"    context = multiprocessing.get_context({method!r})\n"
        "    queue = context.SimpleQueue()\n"
        "    process = context.Process(target=work, args=(queue,))\n"
        "    process.start()\n"
        "    process.join()\n"
        "    print(process.exitcode, queue.get())\n"
    )
    assert run(program) == (0, "0 2.0\n", "")


def test_own_options(tmp_path):
    status, out, _ = run("--version")
    assert status == 0 and out.startswith(f"Flambeau {flambeau.__version__}")
    assert "usage:" in run("--help")[1]
    status, _, errors = run(tmp_path / "nothing.py")
    assert status == 2 and "can't open file" in errors
    assert run("--zork")[0] == 2
    assert run("-m")[0] == 2


def test_the_seed_program():
    code = (
        "import torch\nx = torch.tensor(3.0, requires_grad=True)\ny = 2 * "
        "x**2\ny.backward()\nprint(x.grad)\n"
    )
    assert run("-c", code) == (0, "tensor(12.)\n", "")


def test_torch_is_flambeau():
    code = """
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim.lr_scheduler
from torch.utils.data import DataLoader
from torch import optim, Tensor
import flambeau, flambeau.utils.data
assert torch is flambeau and nn is flambeau.nn and F is flambeau.nn.functional
assert torch.utils.data is flambeau.utils.data and DataLoader is flambeau.utils.data.DataLoader
assert flambeau.__spec__.name == "flambeau" and nn.__spec__.name == "flambeau.nn"
assert nn.__name__ == "flambeau.nn"
print(optim.SGD([torch.ones(1, requires_grad=True)], lr=0.1).__class__.__name__)
"""
    assert run("-c", code) == (0, "SGD\n", "")


@pytest.mark.parametrize(
    "code, kind, text",
    [
        ("import torch.zork", "ModuleNotFoundError", "Flambeau has no torch.zork yet"),
        ("import torch.nn.zork", "ModuleNotFoundError", "Flambeau has no torch.nn.zork yet"),
        ("from torch import zork", "ModuleNotFoundError", "Flambeau has no torch.zork yet"),
        ("import torch; torch.zork", "AttributeError", "Flambeau has no torch.zork yet"),
        ("import torch; torch.nn.Zork", "AttributeError", "Flambeau has no torch.nn.Zork yet"),
    ],
)
def test_what_is_lacking(code, kind, text):
    status, _, errors = run("-c", code)
    assert status == 1 and errors.splitlines()[-1] == f"{kind}: {text}"


def test_only_there():
    code = "import sys\nold = sys.meta_path[:]\nimport flambeau\nassert sys.meta_path == old"
    assert run("-c", code, through=False)[0] == 0


def test_import_is_light():
    code = (
        "import sys\nbefore = set(sys.modules)\nimport flambeau\n"
        "print(sorted({'re', 'numpy', 'typing', 'inspect', 'flambeau.nn', 'flambeau.optim', 'json'}"
        " & (set(sys.modules) - before)))"
    )
    assert run("-c", code, through=False) == (0, "[]\n", "")


def test_version_is_that_of_the_names(tmp_path):
    program = tmp_path / "program.py"
    program.write_text("import torch\nfrom torch.version import __version__ as v\n"
                       "print(torch.__version__, v, torch.__version__ >= '1.8')\n")
    status, out, _ = run(program)
    told = f"2.13.0+flambeau.{flambeau.__version__}"
    assert status == 0 and out == f"{told} {told} True\n"
    assert not flambeau.__version__.startswith("2.")


def test_names_of_types():
    code = (
        "import copy, pickle, torch\n"
        "from torch import nn\n"
        "x = torch.ones(2, requires_grad=True)\n"
        "for thing in (x, x.dtype, x.shape, x.device, nn.Parameter(x), nn.Linear(1, 1), x.max(0),\n"
        "              (x * 2).grad_fn, torch.Generator(), nn.PixelShuffle(2), nn.LSTMCell(1, 1),\n"
        "              nn.MultiheadAttention(2, 1), torch.finfo(x.dtype),\n"
        "              torch.optim.lr_scheduler.StepLR(torch.optim.SGD([x]), 1)):\n"
        "    print(type(thing))\n"
        "for thing in (nn.PixelShuffle(2), nn.LSTMCell(1, 1), nn.MultiheadAttention(2, 1)):\n"
        "    assert type(pickle.loads(pickle.dumps(copy.deepcopy(thing)))) is type(thing)\n"
        "print(torch.add.__module__, nn.functional.relu.__module__, torch.save.__module__)\n"
    )
    wanted = """\
        torch.Tensor torch.dtype torch.Size torch.device torch.nn.parameter.Parameter
        torch.nn.modules.linear.Linear torch.return_types.max MulBackward0 torch._C.Generator
        torch.nn.modules.pixelshuffle.PixelShuffle torch.nn.modules.rnn.LSTMCell
        torch.nn.modules.activation.MultiheadAttention torch.finfo torch.optim.lr_scheduler.StepLR
        """.split()
    status, out, errors = run("-c", code)
    assert errors == ""
    assert out.splitlines()[:-1] == [f"<class '{name}'>" for name in wanted]


def test_names_are_given_back():
    code = (
        "import pickle, flambeau\n"
        "from flambeau import compat\n"
        "compat.install()\n"
        "print(flambeau.Tensor)\n"
        "compat.uninstall()\n"
        "print(flambeau.Tensor, flambeau.nn.Linear, pickle.loads(pickle.dumps(flambeau.nn.ReLU())))\n"
    )
    status, out, errors = run("-c", code, through=False)
    assert (status, errors) == (0, "")
    assert out == (
        "<class 'torch.Tensor'>\n"
        "<class 'flambeau.Tensor'> <class 'flambeau.nn.modules.linear.Linear'> ReLU()\n"
    )
