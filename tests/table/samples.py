"""The operator table as data, and sample calls of each operator.

The table's compiler writes ops_samples.json (docs/operators.md, the key `try`). A sample gives each
argument a value or a recipe for a tensor; what it leaves out is derived from the signature. Building
a sample twice gives equal tensors that share nothing.
"""
import json
import os
import pathlib
import random
import re

import flambeau as torch
from flambeau import _C

ROOT = pathlib.Path(__file__).resolve().parents[2]
GENERATED = pathlib.Path(os.environ.get("FLAMBEAU_BUILD", ROOT / "build")) / "generated"

# Where floats without bounds are drawn: the first range in which the results are finite.
RANGES = [(-2.0, 2.0), (0.0, 1.0), (1.0, 3.0)]


class Recipe:
    """A tensor to be made: what its elements are, and its sizes."""

    def __init__(self, kind, sizes, low=None, high=None, values=None, dtype=None):
        self.kind, self.sizes, self.low, self.high = kind, tuple(sizes), low, high
        self.values, self.dtype = values, dtype

    def resized(self, sizes):
        return Recipe(self.kind, sizes, self.low, self.high, self.values, self.dtype)

    def build(self, seed, bounds, dtype=None):
        if self.kind == "literal":
            t = torch.tensor(self.values, dtype=self.dtype)
            return t.double() if t.is_floating_point() and self.dtype is None else t
        r = random.Random(seed)
        count = 1
        for size in self.sizes:
            count *= size
        if self.kind == "complex" or (self.kind == "float" and _is_complex(dtype)):
            low, high = (self.low, self.high) if self.low is not None else bounds
            values = [complex(_between(r, low, high), _between(r, low, high)) for _ in range(count)]
            made = torch.tensor(values, dtype=torch.complex128).reshape(self.sizes)
            return made.to(torch.complex64) if dtype == torch.float32 else made
        if self.kind == "float":
            low, high = (self.low, self.high) if self.low is not None else bounds
            values = [_between(r, low, high) for _ in range(count)]
            made = torch.tensor(values, dtype=torch.float64).reshape(self.sizes)
            return made if dtype in (None, torch.float64) else made.to(dtype)
        if self.kind == "definite":
            made = torch.tensor([r.random() for _ in range(count)], dtype=torch.float64)
            made = made.reshape(self.sizes)
            made = (made + made.mT) / 2 + self.sizes[-1] * torch.eye(self.sizes[-1]).double()
            return made if dtype is None else made.to(dtype)
        if self.kind == "bool":
            return torch.tensor([r.random() < 0.6 for _ in range(count)], dtype=torch.bool).reshape(
                self.sizes)
        low, high = self.low or 0, self.high or 4
        return torch.tensor([r.randrange(low, high) for _ in range(count)],
                            dtype=self.dtype or torch.int64).reshape(self.sizes)


def _is_complex(dtype):
    return dtype is not None and dtype.is_complex


def _between(r, low, high):
    """A number that is away from integers and halves, where functions have their kinks."""
    while True:
        x = r.uniform(low, high)
        if 0.1 < (2 * x) % 1 < 0.9:
            return x


def _recipe_float(*sizes, low=None, high=None):
    return Recipe("float", sizes, low, high)


def _recipe_int(*sizes, low=0, below=4, dtype=None):
    return Recipe("int", sizes, low, below, dtype=dtype)


NAMESPACE = {
    "float": _recipe_float,
    "int": _recipe_int,
    "complex": lambda *sizes: Recipe("complex", sizes),
    "definite": lambda *sizes: Recipe("definite", sizes),
    "bool": lambda *sizes: Recipe("bool", sizes),
    "tensor": lambda values, dtype=None: Recipe("literal", (), values=values, dtype=dtype),
    "inf": float("inf"), "True": True, "False": False,
    **{str(d).split(".")[1]: d for d in (torch.float64, torch.float32, torch.float16, torch.bfloat16,
                                         torch.int64, torch.int32, torch.int16, torch.int8,
                                         torch.uint8)},
}

INDICES = {"index", "indices"}
TRUTHS = {"mask", "condition"}


class NoSample(Exception):
    """A value that cannot be derived: the paragraph needs `try`."""


def _derive(op, p):
    """What a parameter without a default gets."""
    name, kind = p["name"], p["type"]
    if kind in ("Tensor", "Tensor|Scalar"):
        if p["optional"]:
            return None
        if name in INDICES:
            return _recipe_int(2, 3, below=2)
        if name in TRUTHS or p["truth"]:
            return Recipe("bool", (2, 3))
        if "float" in op.accepts:
            return _recipe_float(2, 3)
        return _recipe_int(2, 3, low=1, below=5) if "int" in op.accepts else Recipe("bool", (2, 3))
    if kind == "Tensor[]":
        return [_recipe_float(2, 3), _recipe_float(2, 3)]
    if kind == "int[]":
        return [2, 3] if re.search("size|shape", name) else [1]
    simple = {"int": 0 if name == "dim0" else 1, "float": 0.5, "bool": True,
              "Scalar": 1.5 if "float" in op.accepts else 2, "dtype": torch.float64}
    if kind in simple:
        return simple[kind]
    if p["optional"]:
        return None
    raise NoSample(f"{op.name}: '{name}' ({kind}) cannot be derived from the signature: the "
                   f"paragraph at {op.place} needs the key try")


class Sample:
    """The arguments of one call, by name, in the order of the signature."""

    def __init__(self, op, values, bounds=None, only=None):
        self.op, self.values, self.bounds = op, values, bounds or RANGES[0]

    def __repr__(self):
        return f"{self.op.name}({', '.join(f'{k}={_shown(v)}' for k, v in self.values.items())})"

    def build(self, dtype=None):
        """Fresh arguments; floats are float64 or `dtype`."""
        def one(value, key):
            if isinstance(value, Recipe):
                return value.build(f"{self.op.name} {key}", self.bounds, dtype)
            if isinstance(value, list):
                return [one(v, f"{key}{i}") for i, v in enumerate(value)]
            return value
        return {k: one(v, k) for k, v in self.values.items()}

    def mapped(self, change):
        """The sample with change(value) in the place of each recipe and of each list of numbers."""
        def one(value):
            if isinstance(value, list) and value and isinstance(value[0], Recipe):
                return [one(v) for v in value]
            return change(value)
        return Sample(self.op, {k: one(v) for k, v in self.values.items()}, self.bounds)


def _shown(v):
    if isinstance(v, Recipe):
        return f"{v.kind}{v.sizes}" if v.kind != "literal" else f"tensor({v.values})"
    return repr(v)


# Namespaces whose operators have their prefix, and where the functions of a form are.
SPACES = ("special", "linalg", "fft", "masked")
HOMES = {"function": _C, "nn": _C._nn, **{space: getattr(_C, f"_{space}") for space in SPACES}}


class Operator:
    """A paragraph of the table."""

    def __init__(self, row):
        self.name, self.base, self.c, self.kind = row["name"], row["base"], row["c"], row["kind"]
        self.place, self.forms, self.accepts = row["place"], row["forms"], row["accepts"]
        self.result_dtype, self.random = row["result_dtype"], row["random"]
        self.results, self.params = row["results"], row["params"]
        # in place by nature, by a key or (of a composite) by its name
        self.writes = row["writes"] or self.base.endswith("_")
        self.tried = row["try"]

    def __repr__(self):
        return self.name

    def grad(self, name):
        return next(p["grad"] for p in self.params if p["name"] == name)

    def python_name(self, form):
        return self.base.removeprefix(f"{form}_") if form in SPACES else self.base

    def functions(self):
        """Its functions in Python by form: each takes the arguments by name."""
        found = {form: _by_name(self, getattr(home, self.python_name(form)), False)
                 for form, home in HOMES.items() if form in self.forms}
        if "method" in self.forms:
            found["method"] = _by_name(self, getattr(_C.Tensor, self.base), True)
        return found

    def call(self, args):
        """Calls the first form there is."""
        return next(iter(self.functions().values()))(args)

    def inplace(self, args):
        return _by_name(self, getattr(_C.Tensor, self.base + "_"), True)(args)

    def samples(self):
        """Sample calls that succeed: those of the key try, or derived ones."""
        if self._samples is None:
            self._samples = [_in_range(self, s) for s in self._given()]
        return self._samples

    _samples = None

    def _given(self):
        for tried in self.tried or [{}]:
            given = {k: eval(v, {"__builtins__": {}}, NAMESPACE) for k, v in tried.items()}
            values = {p["name"]: given[p["name"]] if p["name"] in given else _derive(self, p)
                      for p in self.params if p["name"] in given or not p["default"]}
            yield Sample(self, values)
            if self.tried:
                continue
            numbers = [p["name"] for p in self.params if p["type"] == "Tensor|Scalar"]
            if numbers:
                yield Sample(self, {**values, numbers[-1]: 1.5 if "float" in self.accepts else 2})
            flags = {p["name"]: True for p in self.params if p["name"] in ("keepdim", "descending")}
            if flags:
                yield Sample(self, {**values, **flags})


# Functions that take their tensors one by one alone: f(*tensors).
def _by_name(op, function, method):
    """function, or a method of Tensor, that takes the arguments as a dict: as many by position as
    the signature allows."""
    def call(args, **more):
        args, positional = dict(args), []
        if method:
            positional.append(args.pop("self"))
        for p in op.params:
            if method and p["name"] == "self":
                continue
            if p["keyword"] or p["name"] not in args:
                break
            value = args.pop(p["name"])
            positional += value if "varargs" in op.forms else [value]
        torch.manual_seed(3)
        return function(*positional, **args, **more)
    return call


def _in_range(op, sample):
    """The sample with the first range of floats in which the results are finite."""
    error = None
    for bounds in RANGES:
        tried = Sample(op, sample.values, bounds)
        try:
            results = tensors(op.call(tried.build()))
        except (RuntimeError, ValueError) as e:
            error = error or e
            continue
        if all(bool(torch.isfinite(y).all()) for y in results if y.is_floating_point()):
            return tried
    if error:
        raise error
    raise NoSample(f"{sample}: not finite for floats within {RANGES}: the paragraph at {op.place} "
                   "needs the key try")


def tensors(value):
    """The tensors in a result, in arguments, or in a list, flat."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    if isinstance(value, (list, tuple, type({}.values()))):
        return [t for v in value for t in tensors(v)]
    return []


def operators():
    """All public operators, in the table's order."""
    return [Operator(row) for row in json.loads((GENERATED / "ops_samples.json").read_text())]
