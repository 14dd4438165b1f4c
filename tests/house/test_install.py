"""What `make install` installs is what a C programmer needs, shown on the README's own program."""
import os
import re
import shutil
import subprocess

import pytest

CC = os.environ.get("CC") or shutil.which("cc") or shutil.which("clang")


def run(*command, **environment):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          env={**os.environ, **environment})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(build, tmp_path_factory):
    if os.environ.get("FLAMBEAU_SANITIZED"):
        pytest.skip("a sanitized library cannot be linked with an ordinary program")
    cache = (build / "CMakeCache.txt").read_text()
    cmake = re.search(r"^CMAKE_COMMAND:\w+=(.*)$", cache, re.MULTILINE)[1]
    prefix = tmp_path_factory.mktemp("prefix")
    run(cmake, "--install", build, "--component", "c", "--prefix", prefix)
    return prefix


@pytest.fixture(scope="module")
def program(root, tmp_path_factory):
    source = tmp_path_factory.mktemp("program") / "program.c"
    readme = (root / "README.md").read_text()
    source.write_text(re.search(r"^```c\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)[1])
    return source


def test_the_readme_program_with_the_shared_library(installed, program):
    binary = program.with_name("shared")
    run(CC, "-std=c11", "-Wall", "-Wextra", "-Werror", program, "-o", binary,
        f"-I{installed}/include", f"-L{installed}/lib", "-lflambeau")
    assert run(binary, LD_LIBRARY_PATH=str(installed / "lib")) == "12\n"


def test_the_readme_program_with_the_archive(installed, program):
    binary = program.with_name("static")
    run(CC, program, "-o", binary, f"-I{installed}/include", installed / "lib/libflambeau.a",
        "-lm", "-pthread")
    assert run(binary) == "12\n"


def test_pkg_config_knows_it(installed):
    if not shutil.which("pkg-config"):
        pytest.skip("no pkg-config")
    flags = run("pkg-config", "--cflags", "--libs", "flambeau",
                PKG_CONFIG_PATH=str(installed / "lib/pkgconfig")).split()
    include = next(flag[2:] for flag in flags if flag.startswith("-I"))
    assert os.path.samefile(include, installed / "include")


def test_the_archive_shows_only_fl_symbols(installed):
    if not shutil.which("nm"):
        pytest.skip("no nm")
    lines = run("nm", "-g", "--defined-only", installed / "lib/libflambeau.a").splitlines()
    names = {line.split()[-1] for line in lines if len(line.split()) == 3}
    assert names and not {name for name in names if not name.startswith("fl_")}
