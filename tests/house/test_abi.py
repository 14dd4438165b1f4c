"""The ABI only grows: all that abi.txt records holds still (abi.py says what that is)."""
import re
import shutil
import subprocess

import abi
import pytest


def parts(line):
    """An operator's line: what must stay, its parameters, its results."""
    name, parameters, results = re.fullmatch(r"(operator .*? of [^(]*)\((.*)\) -> (.*)", line).groups()
    return name, re.split(r", (?![^(\[]*[)\]])", parameters), results.strip("()").split(", ")


def grown(old, new):
    """Whether `new` is `old` with parameters that have defaults, and results, added at the end."""
    (name, before, first), (same, after, second) = parts(old), parts(new)
    return (name == same and after[:len(before)] == before and second[:len(first)] == first
            and all("=" in p or p == "*" for p in after[len(before):]))


def lost(recorded, now):
    present = set(now)
    by_name = {line.split("(")[0]: line for line in now if line.startswith("operator")}
    for line in recorded:
        if line in present:
            continue
        new = by_name.get(line.split("(")[0]) if line.startswith("operator") else None
        if not new or not grown(line, new):
            yield line


def test_what_is_recorded_holds(root, build):
    recorded = (root / "tests/house/abi.txt").read_text().splitlines()
    assert recorded
    assert list(lost(recorded, abi.lines(root, build))) == []


def test_a_change_is_seen(root, build):
    """Each kind of change that breaks a program is one that the test above finds."""
    now = abi.lines(root, build)
    for kind, change in [
            ("struct fl_value.count", lambda s: s.replace("at 4", "at 8")),
            ("enum FL_FLOAT32 ", lambda s: s + "0"),
            ("function int fl_backward", lambda s: s.replace("fl_tensor", "fl_module")),
            ("function int fl_backward", lambda s: ""),
            ("operator softmax.int of", lambda s: s.replace("int dim", "float dim")),
            ("operator softmax.int of", lambda s: s.replace(") ->", ", int more) ->"))]:
        line = next(s for s in now if s.startswith(kind))
        assert change(line) != line
        assert list(lost(now, [change(line) if s == line else s for s in now])) == [line]
    line = next(s for s in now if s.startswith("operator softmax.int of"))
    more = line.replace(") ->", ", bool more=False) ->")
    assert list(lost(now, [more if s == line else s for s in now])) == []


OLD_PROGRAM = """
#include <flambeau.h>
#include <stdio.h>
int main(void)
{
    const float numbers[] = {0, 0, 1, 1};
    fl_tensor *x = fl_from_data(numbers, FL_INTS_OF(2, 2), FL_FLOAT32);
    fl_tensor *y = fl_sum(x);
    fl_tensor *z = y ? fl_mean(x) : NULL;
    if (!z)
        return puts(fl_error_message()), 1;
    printf("%g %g\\n", fl_item(y), fl_item(z));
    fl_release(x), fl_release(y), fl_release(z);
    return 0;
}
"""


def test_an_old_program_runs_after_operators_gain_parameters(root, build, tmp_path):
    """A program compiled against the header of a table whose sum and mean had no dtype yet runs
    with the library of today."""
    if not (build / "opgen").exists():
        pytest.skip("the table's compiler is not in the build folder")
    tables = []
    for file in sorted((root / "src/ops").glob("*/*.ops")):
        text = file.read_text()
        text = re.sub(r"\n(sum|mean)\(Tensor self, \*, dtype\? dtype=None\)", r"\n\1(Tensor self)", text)
        copy = tmp_path / "src/ops" / file.parent.name / file.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text)
        tables.append(copy)
    old = tmp_path / "old"
    (old / "flambeau").mkdir(parents=True)
    done = subprocess.run([build / "opgen", "-o", old, *tables], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    header = (old / "flambeau/ops/reduce.h").read_text()
    assert all(re.search(rf"fl_{name}\(fl_tensor \*self\)", header) for name in ("sum", "mean"))
    shutil.copytree(root / "include", old / "include")
    (tmp_path / "old.c").write_text(OLD_PROGRAM)
    subprocess.run([*abi.CC.split(), f"-I{old}", f"-I{old}/include", "-o", tmp_path / "program",
                    tmp_path / "old.c", f"-L{build}", f"-Wl,-rpath,{build}", "-lflambeau"], check=True)
    done = subprocess.run([tmp_path / "program"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "2 0.5\n")
