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


def test_the_reference_names_every_function(root, installed):
    """flambeau.3 has each function of the installed headers, docs/ops.md each operator."""
    page = (installed / "share/man/man3/flambeau.3").read_text()
    for header in (installed / "include/flambeau").glob("*.h"):
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.DOTALL)
        for name in re.findall(r"^(?:FL_API|static inline)\b[^;{(]*?\b(fl_(?!ops_)\w+)\(", text, re.MULTILINE):
            assert re.search(rf"\b{name}\(", page), name
    operators = (installed / "share/doc/flambeau/docs/ops.md").read_text()
    assert "\n### softmax.int\n" in operators


def test_man_reads_the_reference(installed):
    if not shutil.which("man") or not shutil.which("groff"):
        pytest.skip("no man")
    done = subprocess.run(["man", "--warnings", "-l", installed / "share/man/man3/flambeau.3"],
                          capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert "fl_tensor *fl_relu(fl_tensor *self)" in done.stdout and done.stderr == ""


def test_examples_and_licence_come_along(root, installed):
    place = installed / "share/doc/flambeau"
    assert "MIT" in (place / "LICENSE").read_text()
    assert {file.name for file in (root / "examples").glob("*.c")} < {
        file.name for file in (place / "examples").iterdir()}
    binary = installed / "gpt"
    run(CC, place / "examples/gpt.c", "-o", binary, f"-I{installed}/include",
        f"-L{installed}/lib", f"-Wl,-rpath,{installed}/lib", "-lflambeau", "-lm")
    assert binary.exists()
