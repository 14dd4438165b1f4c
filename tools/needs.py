"""Says which names of a list of PyTorch names exist here: `python tools/needs.py needs.tsv`.

The list has one name a line, with tabs between its columns: name, kind, repositories, files, uses.
A name that does not begin with a package of PyTorch's is one of torch's. A name is walked as a
program under `python -m flambeau` would: imports, then attributes. What is missing is printed, the
most wanted first, after a count of each group.

    --least N     only names that N repositories or more use (default 2)
    --group       counts by the first parts of the names only, no list
"""

import argparse
import collections
import importlib
import os
import sys
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "python"))


def exists(name):
    """Whether an import of the name, or of a part of it followed by attributes, succeeds."""
    parts = name.removesuffix("()").split(".")
    if not parts[0].startswith("torch"):
        parts.insert(0, "torch")
    value = importlib.import_module(parts[0])
    for i, part in enumerate(parts[1:], 2):
        try:
            value = getattr(value, part)
            continue
        except (AttributeError, ImportError, NotImplementedError):
            pass
        try:
            value = importlib.import_module(".".join(parts[:i]))
        except ImportError:
            return False
    return True


def read(path):
    """(name, repositories) of each line under the heading."""
    with open(path, encoding="utf-8") as file:
        next(file)
        for line in file:
            name, _, repositories = line.split("\t")[:3]
            yield name, int(repositories)


def area(name):
    """The first two parts of a name, or the first alone for what stands in the top module."""
    parts = name.removesuffix("()").split(".")
    return ".".join(parts[:2]) if len(parts) > 2 else parts[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("list")
    parser.add_argument("--least", type=int, default=2)
    parser.add_argument("--group", action="store_true")
    options = parser.parse_args()

    from flambeau import compat

    compat.install()
    warnings.simplefilter("ignore")
    total, missing = collections.Counter(), []
    for name, repositories in read(options.list):
        if repositories >= options.least:
            total[area(name)] += 1
            if not exists(name):
                missing.append((repositories, name))
    lacking = collections.Counter(area(name) for _, name in missing)
    count = total.total()
    print(f"{count - len(missing)} of {count} names exist")
    for group, number in total.most_common():
        if lacking[group]:
            print(f"{group:32}{number - lacking[group]:5} of {number}")
    if not options.group:
        for repositories, name in sorted(missing, key=lambda pair: (-pair[0], pair[1])):
            print(f"{repositories:4}  {name}")


if __name__ == "__main__":
    main()
