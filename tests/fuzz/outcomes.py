"""What a line of a program came to, and in what two libraries' outcomes differ."""

import cmath
import math
import re

TOLERANCE = {"float64": 1e-7, "float32": 2e-4, "float16": 1e-2, "bfloat16": 8e-2,
             "complex64": 2e-4, "complex128": 1e-7}


class Error:
    """An exception."""

    def __init__(self, error):
        self.kind = type(error).__name__
        self.line = (str(error).splitlines() or [""])[0]

    def __repr__(self):
        return f"{self.kind}: {self.line}"


class Held:
    """What a tensor holds."""

    def __init__(self, t):
        self.dtype, self.shape = str(t.dtype).split(".")[1], tuple(t.shape)
        self.grad = bool(t.requires_grad)
        small = t.numel() <= 5000
        self.values = t.detach().reshape(-1).tolist() if small else None

    def __repr__(self):
        values = self.values if self.values is None else str(self.values)[:300]
        return f"{self.dtype}{self.shape}{' asks for a gradient' if self.grad else ''} {values}"


def described(value, tensor):
    """A value without its tensors, which are of the class `tensor`."""
    if isinstance(value, tensor):
        return Held(value)
    if isinstance(value, (list, tuple)):
        return [described(v, tensor) for v in value]
    if isinstance(value, (bool, int, float, str, type(None))):
        return value
    return type(value).__name__


def close(a, b, dtype, scale):
    if a == b or (a != a and b != b):
        return True
    if isinstance(a, complex) and isinstance(b, complex) and not (cmath.isfinite(a)
                                                                  and cmath.isfinite(b)):
        parts = "float32" if dtype == "complex64" else "float64"
        return close(a.real, b.real, parts, scale) and close(a.imag, b.imag, parts, scale)
    if isinstance(a, bool) or dtype not in TOLERANCE or not (cmath.isfinite(a)
                                                             and cmath.isfinite(b)):
        return False
    return abs(a - b) <= TOLERANCE[dtype] * (max(abs(a), abs(b)) + 1e-2 * scale + 1e-7)


def difference(a, b):
    """The kind of the first difference of two outcomes, PyTorch's first; None where they agree."""
    if isinstance(a, Error) and isinstance(b, Error):
        if a.kind != b.kind:
            return f"{a.kind} is {b.kind}"
        return None if plain(a.line) == plain(b.line) else "message"
    if isinstance(a, Error):
        return f"accepted ({a.kind})"
    if isinstance(b, Error):
        return f"refused ({b.kind})"
    if isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            return "count"
        return next(filter(None, map(difference, a, b)), None)
    if isinstance(a, Held) and isinstance(b, Held):
        if a.dtype != b.dtype:
            return "dtype"
        if a.shape != b.shape:
            return "shape"
        if a.values and b.values:
            scale = max((abs(x) for x in a.values if cmath.isfinite(x)), default=0)
            if not all(close(x, y, a.dtype, scale) for x, y in zip(a.values, b.values)):
                return "value"
        return None if a.grad == b.grad else "requires_grad"
    if isinstance(a, float) and isinstance(b, float):
        return None if close(a, b, "float32", 0) else "value"
    return None if a == b and type(a) is type(b) else "value"


# Silent: both libraries answer, and differ, without a sign. (What PyTorch refuses and Flambeau does
# is counted too, as "accepted".)
SILENT = ("value", "shape", "dtype", "count", "requires_grad", "later")


def plain(line):
    return re.sub(r"0x[0-9a-f]+|flambeau|torch", "", line).strip()
