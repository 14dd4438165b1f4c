"""The operator table holds what computes: C has it too. A function of flambeau, of Tensor, of
flambeau.nn.functional or of a namespace that Python defines is either a form of an operator of the
same name (its old arguments, its warnings), or stands in docs/operators.md with its reason."""
import pathlib
import re
import types

import pytest

torch = pytest.importorskip("flambeau")
import flambeau.functional  # noqa: E402
import flambeau.nn.functional as F  # noqa: E402

SPACES = ("special", "linalg", "fft", "masked")


def in_table(name):
    return any(hasattr(place, name) for place in (torch._C, torch._C._nn, torch._C.Tensor)
               if not isinstance(getattr(place, name, None), types.FunctionType))


def of_python(place, home):
    """The public functions that Python defines below `home`."""
    return {
        name for name, value in vars(place).items()
        if isinstance(value, types.FunctionType) and not name.startswith("_")
        and value.__module__.startswith(home)
    }


def python_functions():
    for name in F._HOMES:
        getattr(F, name)
    return (of_python(flambeau.functional, "flambeau.functional")
            | of_python(F, "flambeau.nn")
            | of_python(torch._C.Tensor, "flambeau")
            | set().union(*(of_python(getattr(flambeau, space), "flambeau") for space in SPACES)))


@pytest.fixture
def listed(root):
    """The functions that docs/operators.md gives a reason."""
    section = (root / "docs/operators.md").read_text().partition("## What remains in Python\n")[2]
    rows = re.findall(r"^\| (`.*`) \| \S.* \|$", section.partition("\n## ")[0], re.M)
    return [name for row in rows for name in re.findall(r"`(\w+)`", row)]


def test_each_function_of_python_has_its_reason(listed):
    left = {name for name in python_functions() if not in_table(name)}
    assert left - set(listed) == set(), "make them paragraphs of the table"


def test_no_reason_outlives_its_function(listed):
    left = {name for name in python_functions() if not in_table(name)}
    assert sorted(listed) == sorted(set(listed)) and set(listed) - left == set()


def test_what_remains_is_little():
    """A function of Python that computes is a step back: these files only get shorter."""
    root = pathlib.Path(flambeau.functional.__file__).parents[1]
    lines = sum(len(file.read_text().splitlines())
                for folder in ("functional", "nn") for file in (root / folder).glob("*.py")
                if file.name not in ("init.py", "parameter.py"))
    assert lines < 2200, lines
