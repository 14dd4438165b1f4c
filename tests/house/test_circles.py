"""Which C file calls functions of which other, read from the objects of the build: no two files, and
no longer chain of them, call each other in a circle, but for the circles listed here.

Two ways round do not count, because they are declared: operators found by their descriptors (the
table), and what the graph asks of operators (autograd/operations.h), which src/ops fills in. Tables
of functions (a type's methods) are data, and do not count either.
"""
import re
import shutil
import subprocess

import pytest

# Why each stands: the door hands calls to who looks at them first, and they call through the door
# again; it records calls, whose backward computes; what a device has no kernel for is called
# again on copies, and masks there as positions; a tensor's state holds its tangents, and a tensor
# its lanes; a tensor elsewhere is copied by way of one for the host; complex products and
# convolutions are made of real ones; a Python type's parts stand in several files.
PERMITTED = (
    {"src/ops/advise", "src/ops/autocast", "src/ops/batch", "src/ops/batch_each", "src/ops/batch_fold",
     "src/ops/batch_random", "src/ops/calls", "src/ops/composing", "src/ops/door",
     "src/ops/forward", "src/ops/kernel_run", "src/ops/place", "src/ops/place_masks",
     "src/ops/pointwise/pointwise", "src/ops/record", "src/ops/record_back", "src/ops/reduce/reduce"},
    {"src/autograd/autograd", "src/autograd/tangents"},
    {"src/core/host", "src/core/lanes", "src/core/tensor", "src/core/tensor_copy"},
    {"src/ops/matmul/gemm", "src/ops/matmul/gemm_complex"},
    {"src/ops/conv/conv", "src/ops/conv/conv_complex"},
    {"src/python/autograd/callbacks", "src/python/autograd/function", "src/python/autograd/nodes",
     "src/python/call/arguments", "src/python/call/overrides", "src/python/call/results",
     "src/python/call/values", "src/python/call/varargs", "src/python/tensor/construct",
     "src/python/tensor/data", "src/python/tensor/exchange", "src/python/tensor/generator_object",
     "src/python/tensor/properties", "src/python/tensor/sharing", "src/python/tensor/subscript",
     "src/python/tensor/tensor_object"},
    {"src/python/module/layer", "src/python/module/module", "src/python/module/registration"},
)


def calls(build):
    """For each object, the others whose functions it calls."""
    nm = shutil.which("nm")
    objects = [path for path in build.glob("CMakeFiles/*/**/*.c.o")
               if re.search(r"CMakeFiles/(flambeau_\w+|python_extension)\.dir/", str(path))]
    if not nm or not objects:
        pytest.skip("no nm, or a build without objects")
    defined, needed = {}, {}
    for path in objects:
        name = re.sub(r".*\.dir/|\.c\.o$", "", str(path))
        listing = subprocess.run([nm, path], capture_output=True, text=True, check=True).stdout
        for line in listing.splitlines():
            *_, kind, symbol = line.split()
            if kind == "U":
                needed.setdefault(name, set()).add(symbol)
            elif kind in "TW" and not symbol.startswith("operation_"):
                defined[symbol] = name
    return {name: {defined[s] for s in symbols if defined.get(s, name) != name}
            for name, symbols in needed.items()}


def circles(graph):
    """The sets of two and more files each of which reaches each other."""
    def reached(start):
        seen, open_ends = set(), [start]
        while open_ends:
            for following in graph.get(open_ends.pop(), ()):
                if following not in seen:
                    seen.add(following)
                    open_ends.append(following)
        return seen
    reach = {name: reached(name) for name in graph}
    return {frozenset({name, *(other for other in reach[name] if name in reach.get(other, ()))})
            for name in graph if name in reach[name]}


def test_files_do_not_call_each_other_in_circles(build):
    found = circles(calls(build))
    wrong = [sorted(circle) for circle in found
             if not any(circle <= permitted for permitted in PERMITTED)]
    assert not wrong, wrong


def test_a_circle_is_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a", "d2"}, "d2": set()}
    assert circles(graph) == {frozenset({"b", "c"})}
