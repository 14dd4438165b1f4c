"""docs/c.md: every piece of code in C is compiled, strictly, and all run in one program."""
import os
import re
import shutil
import subprocess

import pytest

CC = os.environ.get("CC") or shutil.which("cc") or shutil.which("clang")
HEAD = "#include <flambeau.h>\n#include <stdio.h>\n\n"
TAIL = "    if (fl_error() != FL_OK)\n        puts(fl_error_message());\n    return fl_error() != FL_OK;\n}\n"


def program(text):
    """The snippets marked "c file" as they are, each other one a block of main."""
    blocks = re.findall(r"^```c( file)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) > 10
    outside = "".join(code + "\n" for marked, code in blocks if marked)
    inside = "".join("    {\n" + code + "    }\n" for marked, code in blocks if not marked)
    return HEAD + outside + "int main(void)\n{\n" + inside + TAIL


def test_every_snippet_runs(root, build, tmp_path):
    if os.environ.get("FLAMBEAU_SANITIZED"):
        pytest.skip("a sanitized library cannot be linked with an ordinary program")
    source = tmp_path / "tutorial.c"
    source.write_text(program((root / "docs/c.md").read_text()))
    done = subprocess.run(
        [*CC.split(), "-std=c11", "-Wall", "-Wextra", "-Werror", source, "-o", tmp_path / "tutorial",
         f"-I{root}/include", f"-I{build}/generated", f"-L{build}", f"-Wl,-rpath,{build}",
         "-lflambeau"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([tmp_path / "tutorial"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "27 18\n0\n" in done.stdout and "2 tensors, 2 rows\n" in done.stdout
    assert re.search(r"^tensor\(\[\[1\.6487, 1\.6487, 1\.6487\],$", done.stdout, re.MULTILINE)
    assert "3 columns\n1 5\n" in done.stdout and "\n4\n" in done.stdout
    assert "shape '[2, 2]' is invalid for input of size 1" in done.stderr


def test_links_lead_somewhere(root):
    for file in (root / "docs").glob("*.md"):
        prose = re.sub(r"```.*?```|`[^`\n]*`", "", file.read_text(), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#:]+)\)", prose):
            assert (file.parent / target).exists(), f"{file.name} points to {target}"
