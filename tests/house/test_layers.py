"""The dependency law of docs/design.md, proved by the include graph:

core <- device <- autograd <- ops <- nn, io <- python: a file includes what stands in its own folder
or further left.
"""
import re

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
