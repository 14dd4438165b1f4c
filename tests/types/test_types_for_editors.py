"""What a type checker says: nothing of an ordinary program and of the examples, and something of
each planted error. mypy, and basedpyright too where it is installed."""
import json
import pathlib
import re
import shutil
import subprocess
import sys
from types import ModuleType

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RIGHT = [HERE / "ordinary.py", HERE / "ordinary_kinds.py", *sorted((ROOT / "examples").glob("*.py"))]
PLANTED = HERE / "planted.py"


def of_mypy(files, folder):
    """(file, line, text) of each error."""
    pytest.importorskip("mypy", reason="mypy is not installed")
    command = [
        sys.executable, "-m", "mypy", "--follow-imports=silent", "--ignore-missing-imports",
        "--no-error-summary", f"--cache-dir={folder / 'cache'}", *map(str, files),
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, cwd=folder,
        env={"MYPYPATH": str(ROOT / "python"), "PATH": "", "LANG": "C.UTF-8"},
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = re.findall(r"^(.+?):(\d+): error: (.*)$", done.stdout, re.MULTILINE)
    return [(pathlib.Path(file).name, int(line), text) for file, line, text in found]


def of_basedpyright(files, folder):
    program = shutil.which("basedpyright") or str(pathlib.Path(sys.executable).parent / "basedpyright")
    if not pathlib.Path(program).exists():
        pytest.skip("basedpyright is not installed")
    settings = {
        "include": [str(file) for file in files],
        "extraPaths": [str(ROOT / "python")],
        "typeCheckingMode": "standard",
        "reportMissingImports": False,
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [program, "-p", str(folder), "--outputjson"], capture_output=True, text=True, timeout=600
    )
    if done.returncode not in (0, 1):
        pytest.skip("basedpyright does not run here: " + done.stderr[-200:])
    return [
        (pathlib.Path(d["file"]).name, d["range"]["start"]["line"] + 1, d["message"])
        for d in json.loads(done.stdout)["generalDiagnostics"]
        if d["severity"] == "error"
    ]


@pytest.fixture(scope="module", params=[of_mypy, of_basedpyright])
def found(request, tmp_path_factory):
    return request.param([*RIGHT, PLANTED], tmp_path_factory.mktemp("types"))


def test_nothing_is_found_in_what_is_right(found):
    assert [error for error in found if error[0] != PLANTED.name] == []


def test_each_planted_error_is_found_and_no_other(found):
    text = PLANTED.read_text().splitlines()
    planted = {i for i, line in enumerate(text, 1) if line.endswith("# error")}
    assert {line for file, line, _ in found if file == PLANTED.name} == planted


def test_stubs_name_what_there_is():
    """No name of the package is missing in its stubs, where a checker would call it an error."""
    import flambeau

    texts = "".join(
        (ROOT / "python/flambeau" / name).read_text()
        for name in ("__init__.pyi", "_objects.pyi", "_C.pyi")
    )
    known = set(re.findall(r"\b(?:def|class|as) (\w+)|^ *(\w+): ", texts, re.MULTILINE))
    known = {name for pair in known for name in pair}
    # (A subpackage that another test has imported is no name of the package.)
    packages = {name for name, value in vars(flambeau).items() if isinstance(value, ModuleType)}
    names = {*dir(flambeau), *dir(flambeau.Tensor)} - packages
    assert sorted(name for name in names - known if not name.startswith("_")) == []


def test_stub_of_functional_is_true():
    """Names, order, kinds and defaults of nn/functional.pyi are those of the functions."""
    import ast
    import inspect

    from flambeau.nn import functional

    stub = ast.parse((ROOT / "python/flambeau/nn/functional.pyi").read_text())
    found = {node.name: node.args for node in stub.body if isinstance(node, ast.FunctionDef)}
    public = {
        name
        for name in (*dir(functional), *functional._HOMES)
        if not name.startswith("_") and callable(getattr(functional, name))
        and not isinstance(getattr(functional, name), (type, ModuleType))
    }
    public.discard("annotations")
    assert found.keys() == public
    for name, args in found.items():
        try:
            parameters = inspect.signature(getattr(functional, name)).parameters
        except ValueError:  # an operator, of the table
            continue
        named = [arg.arg for arg in (*args.args, *args.kwonlyargs)]
        assert named == [p.name for p in parameters.values() if p.kind != p.VAR_KEYWORD], name
