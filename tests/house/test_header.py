"""The public header compiles by itself as C11 and as C++17, without a warning."""
import os
import re
import shutil
import subprocess

import pytest
from elf import Elf

CC = os.environ.get("CC") or shutil.which("cc") or shutil.which("clang")
CXX = os.environ.get("CXX") or shutil.which("c++") or shutil.which("clang++")


def compile_header(compiler, standard, language, root, build, tmp_path, more=""):
    if not compiler:
        pytest.skip(f"no compiler for {language}")
    source = tmp_path / f"include.{language}"
    source.write_text(2 * '#include "flambeau.h"\n' + more + "int main(void) { return 0; }\n")
    done = subprocess.run(
        [*compiler.split(), f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
         "-fsyntax-only", f"-I{root}/include", f"-I{build}/generated", str(source)],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_compiles_as_c11(root, build, tmp_path):
    compile_header(CC, "c11", "c", root, build, tmp_path)


def test_lists_in_place_in_cpp(root, build, tmp_path):
    """FL_INTS_OF takes numbers that are no constants, in C++ too."""
    compile_header(CXX, "c++11", "cpp", root, build, tmp_path,
                   "int64_t count(fl_ints l) { return l.count; }\n"
                   "int64_t both(int n, int64_t m) { return count(FL_INTS_OF(n, m)); }\n")


def test_compiles_as_cpp17(root, build, tmp_path):
    compile_header(CXX, "c++17", "cpp", root, build, tmp_path)


def test_every_declared_function_is_exported(root, build):
    """What the headers mark FL_API is what the library exports, no more and no less."""
    headers = [root / "include/flambeau.h", *(root / "include/flambeau").glob("*.h")]
    header = "".join(file.read_text() for file in headers)
    header = re.sub(r"/\*.*?\*/|//[^\n]*", "", header, flags=re.DOTALL)
    declared = set(re.findall(r"\bFL_API\b[^;{]*?\b(fl_\w+)\s*\(", header))
    if not declared:
        pytest.skip("the header marks no function with FL_API")
    exported = Elf(build / "libflambeau.so").exported()
    assert declared - exported == set(), "declared, not in the library"
    assert exported - declared == set(), "in the library, not declared"
