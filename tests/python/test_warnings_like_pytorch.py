"""Warnings that PyTorch gives to calls that work; each is told once, or at each call, as there."""

import subprocess
import sys

import pytest

# What is told once belongs to the process: one for all.
PROGRAM = """
import warnings
import flambeau as torch
def told(call):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        call()
    return [str(w.message).splitlines()[0] for w in seen]
x = torch.ones(2, 2)
"""
CALLS = {
    "lambda: torch.zeros(2).random_(0, 2**30)":
        "to - 1 is out of bounds [-(2^24), 2^24]. Due to precision limitations float can support "
        "discrete uniform distribution only within this range. This warning will become an error "
        "in version 1.7 release, please fix the code in advance",
    "lambda: torch.ones(3).T": "The use of `x.T` on tensors of dimension other than 2 to reverse",
    "lambda: torch.add(x, 1, x)": "This overload of add is deprecated:",
    "lambda: torch.set_default_tensor_type('torch.FloatTensor')":
        "torch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use "
        "torch.set_default_dtype() and torch.set_default_device() as alternatives.",
    "lambda: torch.autograd.Variable(x, volatile=True)":
        "volatile was removed and now has no effect. Use `with torch.no_grad():` instead.",
    "lambda: x.lu()": "torch.lu is deprecated in favor of torch.linalg.lu_factor / torch.linalg",
    "lambda: x.qr()": "torch.qr is deprecated in favor of torch.linalg.qr and will be removed in a",
    "lambda: torch.cholesky(torch.eye(2))":
        "torch.cholesky is deprecated in favor of torch.linalg.cholesky and will be removed in a",
    "lambda: torch.triangular_solve(x, torch.eye(2))":
        "torch.triangular_solve is deprecated in favor of torch.linalg.solve_triangularand will be",
    "lambda: torch.chain_matmul(x, x)":
        "torch.chain_matmul is deprecated and will be removed in a future PyTorch release.",
    "lambda: x.storage().size()": "TypedStorage is deprecated. It will be removed in the future",
    "lambda: x.index_reduce(0, torch.tensor([0]), x[:1], 'mean')":
        "index_reduce() is in beta and the API may change at any time.",
    "lambda: torch.nn.functional.upsample_nearest(x[None, None], 4)":
        "`nn.functional.upsample_nearest` is deprecated. Use `nn.functional.interpolate` instead.",
    "lambda: torch.nn.functional.upsample_bilinear(x[None, None], 4)":
        "`nn.functional.upsample_bilinear` is deprecated. Use `nn.functional.interpolate` instead.",
    "lambda: x[[0, slice(None)]]":
        "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed "
        "in pytorch 2.9; use x[tuple(seq)] instead of x[seq].",
    "lambda: torch.arange(5, out=torch.zeros(3))":
        "The number of elements in the out tensor of shape [3] is 3 which does not match the "
        "computed number of elements 5. Note that this may occur as a result of rounding error. "
        "The out tensor will be resized to a tensor of shape (5,).",
}
SILENT = [
    "lambda: torch.arange(5, out=torch.zeros(5))",
    "lambda: torch.bernoulli(torch.zeros(5), out=torch.zeros(3))",
    "lambda: torch.linspace(0, 1, 10, out=torch.zeros(2))",
    "lambda: torch.eye(3, out=torch.zeros(2))",
    "lambda: torch.randperm(6, out=torch.zeros(2).long())",
    "lambda: torch.zeros(2).random_(0, 2**24)",
    "lambda: torch.nn.UpsamplingNearest2d(scale_factor=2)(torch.ones(1, 1, 2, 2))",
    "lambda: torch.nn.UpsamplingBilinear2d(scale_factor=2)(torch.ones(1, 1, 2, 2))",
    "lambda: __import__('pickle').loads(__import__('pickle').dumps(torch.ones(2)))",
]


def test_what_is_told():
    program = PROGRAM + "".join(f"print(*told({call}), sep='\\n')\n" for call in CALLS)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(CALLS), lines
    for line, want in zip(lines, CALLS.values()):
        assert line.startswith(want), line


def test_masks_of_expanded_memory():
    import warnings

    import flambeau as torch

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        torch.zeros(1).expand(3)[torch.tensor([True, False, True])] = 5.0
    assert [str(w.message)[:40] for w in seen] == [
        "Use of index_put_ on expanded tensors is", "Use of masked_fill_ on expanded tensors "]


@pytest.mark.parametrize("call", SILENT)
def test_what_is_not(call):
    import warnings

    import flambeau as torch

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        eval(call, {"torch": torch})()


def test_a_list_of_arrays():
    pytest.importorskip("numpy")
    program = PROGRAM + """
import numpy
print(*told(lambda: print(torch.tensor([numpy.ones(2), numpy.ones(2)]).tolist())))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made, told = done.stdout.splitlines()
    assert made == "[[1.0, 1.0], [1.0, 1.0]]"
    assert told.startswith("Creating a tensor from a list of numpy.ndarrays is extremely slow.")
