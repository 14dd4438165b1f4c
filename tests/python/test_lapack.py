"""Large matrices give the same answers by LAPACK as by the plain kernels, up to rounding."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import pytest

PROGRAM = """
import json, sys
import flambeau as torch
L = torch.linalg
torch.manual_seed(0)
n = 200
a = torch.randn(2, n, n, dtype=torch.float64)
s = a + a.mT
tall = a.reshape(2 * n, n)
u, v = L.svd(tall, full_matrices=False), L.svd(tall.mT)
answers = [
    L.lu(a).U, L.lu_factor(a).pivots.double(), L.solve(a, s), L.inv(a), L.slogdet(a).logabsdet,
    L.cholesky(a @ a.mT + torch.eye(n).double()), L.matrix_exp(a / n),
    L.qr(tall).R, L.qr(tall, "complete").Q, L.svdvals(a), u.U, u.Vh, v.U, v.Vh[:n],
    L.eigvalsh(s), L.eigh(s).eigenvalues,
]
answers += [L.eigh(s).eigenvectors.select(-1, 0), L.pinv(a)]
print(json.dumps([[x.sum().item(), (x * x).sum().item()] for x in answers]))
"""


def library():
    named = os.environ.get("FLAMBEAU_LAPACK")
    if named and named != "none":
        return named
    wheel = importlib.util.find_spec("scipy_openblas32")
    if wheel:
        return str(pathlib.Path(wheel.origin).parent / "lib" / "libscipy_openblas.so")
    pytest.skip("scipy-openblas32 is not installed")


def run(lapack):
    return subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True,
                          env={**os.environ, "FLAMBEAU_LAPACK": lapack}, timeout=120)


def test_answers_are_those_of_the_kernels():
    by_library, by_kernels = run(library()), run("none")
    assert by_library.returncode == by_kernels.returncode == 0, by_library.stderr
    pairs = list(zip(json.loads(by_library.stdout), json.loads(by_kernels.stdout)))
    for i, (a, b) in enumerate(pairs):
        assert a == pytest.approx(b, rel=1e-6, abs=1e-7), i


def test_a_library_that_cannot_be_opened_is_told():
    refused = run("/nonexistent/liblapack.so")
    assert "FLAMBEAU_LAPACK names /nonexistent/liblapack.so" in refused.stderr
    assert "scipy-openblas32" in refused.stderr
