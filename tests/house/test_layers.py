"""The dependency law of docs/design.md, proved by the include graph:

core <- device <- autograd <- ops <- nn, io <- python: a file includes what stands in its own folder
or further left. Once as the text says, once as the preprocessor does, which sees through macros and
conditions and follows headers to the end.
"""
import os
import re
import shutil
import subprocess
import sysconfig

import pytest

LAYERS = ["core", "device", "autograd", "ops", "io", "nn", "python"]   # modules save themselves
RANK = {name: rank for rank, name in enumerate(LAYERS)}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def sources(root):
    files = [p for p in (root / "src").rglob("*") if p.suffix in (".c", ".h")]
    assert files
    return files


def test_every_folder_has_a_layer(root):
    for folder in (root / "src").iterdir():
        assert not folder.is_dir() or folder.name in RANK, f"src/{folder.name}/ is in no layer"


def test_includes_go_one_way(root):
    wrong = []
    for file in sources(root):
        layer = file.relative_to(root / "src").parts[0]
        for _, name in INCLUDE.findall(file.read_text()):
            first = name.split("/")[0]
            if first in RANK and "/" in name:
                beside = {layer} | {other for other in RANK if RANK[other] < RANK[layer]}
                if first not in beside:
                    wrong.append(f"{file.relative_to(root)} includes {name}")
    assert not wrong, "\n".join(wrong)


@pytest.fixture(scope="module")
def reads(root, build):
    """For each C file of src, the files it reads, all the way down: paths below the root."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("clang")
    generated = build / "generated"
    if not compiler or not (generated / "flambeau/ops.h").exists():
        pytest.skip("no compiler, or nothing was generated")
    files = [file.relative_to(root) for file in sources(root) if file.suffix == ".c"]
    done = subprocess.run(
        [*compiler.split(), "-MM", "-std=c17", "-D_GNU_SOURCE", "-DFLAMBEAU_INTERNAL",
         "-DFL_ISA=generic", "-DPy_LIMITED_API=0x030B0000", "-Isrc", "-Iinclude", f"-I{generated}",
         "-isystem", sysconfig.get_path("include"), *files],
        cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = {}
    for rule in done.stdout.replace("\\\n", " ").splitlines():
        file, *headers = rule.split(": ")[1].split()
        found[file] = headers
    assert len(found) == len(files)
    return found


def test_what_is_read_goes_one_way(reads):
    wrong = []
    for file, headers in reads.items():
        own = RANK[file.split("/")[1]]
        for header in headers:
            parts = header.split("/")
            if parts[0] == "src" and len(parts) > 2 and RANK[parts[1]] > own:
                wrong.append(f"{file} reads {header}")
    assert not wrong, "\n".join(wrong)


def test_who_calls_no_operator_reads_no_list_of_them(reads):
    """A new operator changes its family's header: what is below the operators is not built again."""
    readers = [file for file, headers in reads.items()
               if any("flambeau/ops/" in header for header in headers)]
    below = [file for file in readers if RANK[file.split("/")[1]] < RANK["ops"]]
    assert readers and not below, below


def test_includes_name_their_folder(root):
    """An include by "../x.h" would escape the law above."""
    wrong = [f"{file.relative_to(root)} includes {name}" for file in sources(root)
             for _, name in INCLUDE.findall(file.read_text()) if ".." in name.split("/")]
    assert not wrong, "\n".join(wrong)


def test_only_the_extension_knows_python(root):
    wrong = [str(file.relative_to(root)) for file in sources(root)
             if any(name == "Python.h" for _, name in INCLUDE.findall(file.read_text()))
             and file.relative_to(root / "src").parts[0] != "python"]
    assert not wrong, wrong


def test_file_names_are_unique(root):
    """One noun a file: a name seen in a compiler's message or a debugger says which."""
    seen = {}
    for file in sources(root):
        seen.setdefault(file.name, []).append(str(file.relative_to(root)))
    assert not {name: files for name, files in seen.items() if len(files) > 1}
