"""Builds the table's compiler once, with the sanitizers where the compiler has them."""
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CC = os.environ.get("CC", "cc")


class Opgen:
    """Runs the compiler on texts, each written to a file of its own in a fresh folder."""

    def __init__(self, program, folder):
        self.program, self.folder, self.count = program, folder, 0

    def run(self, *texts):
        """The finished process and the output folder; the texts are named 1.ops, 2.ops..."""
        self.count += 1
        work = self.folder / str(self.count)
        work.mkdir()
        names = []
        for i, text in enumerate(texts, 1):
            (work / f"{i}.ops").write_bytes(text if isinstance(text, bytes) else text.encode())
            names.append(f"{i}.ops")
        done = subprocess.run([self.program, "-o", "out", *names], cwd=work, capture_output=True,
                              text=True, errors="replace", timeout=60)
        return done, work / "out"


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    """The path of opgen."""
    out = tmp_path_factory.mktemp("opgen") / "opgen"
    sources = sorted((ROOT / "tools/opgen").glob("*.c"))
    command = [CC, "-std=c17", "-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Wextra",
               *map(str, sources), "-o", str(out)]
    sanitized = [*command, "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    if subprocess.run(sanitized, capture_output=True).returncode != 0:
        subprocess.run(command, check=True)
    return out


@pytest.fixture
def opgen(program, tmp_path):
    return Opgen(program, tmp_path)


@pytest.fixture(scope="session")
def tables():
    """The tables of the tree."""
    return sorted((ROOT / "src/ops").glob("*/*.ops"))


@pytest.fixture(scope="session")
def generated(program, tables, tmp_path_factory):
    """What the tree's tables become."""
    out = tmp_path_factory.mktemp("generated")
    names = [str(t.relative_to(ROOT)) for t in tables]
    subprocess.run([str(program), "-o", str(out), *names], cwd=ROOT, check=True)
    return out
