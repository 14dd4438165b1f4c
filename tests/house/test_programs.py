"""Programs that use the library as strangers do: the examples in C by every compiler that is here,
a plugin that is opened and closed, C++, Rust through the ABI. In a sanitized build they are built
with the same sanitizers, and leaks count.

musl-gcc makes a library of its own first: .ci/run does that, and runs the examples with it.
"""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SANITIZE = os.environ.get("FLAMBEAU_SANITIZED") and "-fsanitize=address,undefined"
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
ENVIRONMENT["ASAN_OPTIONS"] = "detect_leaks=1:allocator_may_return_null=1"
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
C = ["gcc", "clang"]
CPP = ["g++", "clang++"]

# What each example prints; the numbers are the same on every machine.
EXAMPLES = {
    "char_gru": r"epoch 40  loss 0\.00\d\d\n\n(.*\n){3,}.*\n",
    "gpt": r"digits in their place: (99\.\d\d|100\.00)%\n",
    "threads": r"^256 of 256 rows are the same, bit by bit\n"
               r"the thread that asked wrongly: mat1 and mat2 shapes cannot be multiplied \(2x65 ",
    "own_operator": r"^first derivative off by less than 1e-5: yes, second by less than 1e-2: yes\n"
                    r"after 400 steps, each seen by the hook, the loss is 0\.000\d+\n$",
    "memory": r"^DefaultCPUAllocator: can't allocate memory: .*(\n.*)+\n +\d+ rows fit\n"
              r"ten steps more: within the limit: yes; in use as before: yes\n"
              r"at the end 0 bytes are in use\n$",
}


def run(*command, seconds=300):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          env=ENVIRONMENT, timeout=seconds)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def compiled(compiler, source, output, root, build, *flags):
    """Builds `source` against the library of the build folder; skips where it cannot be."""
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler} here")
    if SANITIZE:
        if "clang" in compiler:
            pytest.skip("the library is sanitized by gcc, whose runtime is another")
        flags = [SANITIZE, "-g", *flags]
    run(compiler, "-O2", *STRICT, *flags, source, "-o", output, f"-I{root}/include",
        f"-I{build}/generated", f"-L{build}", f"-Wl,-rpath,{build}", "-lflambeau", "-lm", "-ldl",
        "-pthread")
    return output


@pytest.mark.parametrize("compiler", C)
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example(name, compiler, root, build, tmp_path):
    program = compiled(compiler, root / "examples" / f"{name}.c", tmp_path / name, root, build,
                       "-std=c11")
    assert re.search(EXAMPLES[name], run(program))


def test_every_example_is_tested(root):
    twins = {file.stem for file in (root / "examples").glob("*.py")}  # test_learner_examples.py
    assert {file.stem for file in (root / "examples").glob("*.c")} - twins == {*EXAMPLES}


@pytest.mark.parametrize("compiler", C)
def test_a_plugin_is_opened_and_closed(compiler, root, build, tmp_path):
    """Three times, with threads that end after the plugin is gone."""
    programs = root / "tests/house/programs"
    plugin = compiled(compiler, programs / "plugin.c", tmp_path / "plugin.so", root, build,
                      "-shared", "-fPIC")
    host = compiled(compiler, programs / "host.c", tmp_path / "host", root, build, "-Wl,--as-needed")
    assert run(host, plugin) == 3 * (" ".join(4 * ["4194304"]) + "\n")


@pytest.mark.parametrize("compiler", CPP)
@pytest.mark.parametrize("standard", ["c++11", "c++20"])
def test_a_program_in_cpp(compiler, standard, root, build, tmp_path):
    program = compiled(compiler, root / "tests/house/programs/line.cpp", tmp_path / "line", root,
                       build, f"-std={standard}")
    assert run(program) == ("1.500 0.500\n0 contexts are left\n"
                            "caught: mat1 and mat2 shapes cannot be multiplied (\n")


def test_a_program_in_rust(root, build, tmp_path):
    if SANITIZE:
        pytest.skip("a sanitized library cannot be linked with an ordinary program")
    rustc = shutil.which("rustc") or shutil.which(Path.home() / ".cargo/bin/rustc")
    if not rustc:
        pytest.skip("no rustc here")
    program = tmp_path / "by_name"
    run(rustc, "--edition", "2021", root / "tests/house/programs/by_name.rs", "-o", program,
        "-D", "warnings", "-L", f"native={build}", "-C", f"link-arg=-Wl,-rpath,{build}")
    assert run(program) == ("7\n[1.0, 2.0, 3.0]\nThe size of tensor a (3) must match the size of "
                            "tensor b (2) at non-singleton dimension 0\n")
