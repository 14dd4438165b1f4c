"""The tensors of fuzzed programs: make() gives the same elements under PyTorch and under Flambeau.

Elements are drawn by Python alone; the layout says how they lie in memory, also in ways that ordinary
programs seldom meet: expanded, overlapping, with strides of size-1 dims that lead nowhere.
"""

import itertools
import math
import random

FLOATS = ("float32", "float64", "float16", "bfloat16")
INTS = ("int64", "int32", "int16", "int8", "uint8")
LAYOUTS = ("dense", "turned", "offset", "stepped", "expanded", "overlapping", "absurd", "nonleaf")
LARGEST = {"float32": 3.4028235e38, "float64": 1.7976931348623157e308, "float16": 65504.0,
           "bfloat16": 3.3895314e38}
BITS = {"int64": 63, "int32": 31, "int16": 15, "int8": 7, "uint8": 8}


def wild(dtype, largest):
    """Elements at which formulas break; largest: also those at which sums overflow, in an order
    that is each library's own."""
    if dtype == "bool":
        return [False, True]
    if dtype in BITS:
        top = 2 ** BITS[dtype]
        return [0, 1, top - 1, top - 2, 7] + ([0] if dtype == "uint8" else [-top, -1, -top + 1])
    most = LARGEST[dtype] if largest else 1e4
    return [math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0, 0.5, most, -most, 1e-7, 3.0]


def elements(r, count, dtype, fill, low, high):
    if fill in ("wild", "largest"):
        return [r.choice(wild(dtype, fill == "largest")) for _ in range(count)]
    if dtype == "bool":
        return [r.random() < 0.5 for _ in range(count)]
    if dtype in FLOATS:
        return [r.uniform(low, high) for _ in range(count)]
    low, high = int(low), max(int(low) + 1, int(high))
    if dtype == "uint8":
        low, high = abs(low), abs(low) + high
    return [r.randrange(low, high) for _ in range(count)]


def maker(torch):
    """make() for a library."""

    def laid_out(values, sizes, dtype, layout):
        dense = torch.tensor(values, dtype=dtype).reshape(sizes)
        if layout == "turned":
            back = tuple(reversed(range(len(sizes))))
            return dense.permute(back).contiguous().permute(back)
        if layout == "offset":
            return torch.tensor([*values[:2], *values, *values[:1]],
                                dtype=dtype)[min(2, len(values)):][:len(values)].view(sizes)
        if layout == "stepped":
            return torch.stack((dense, dense), -1)[..., 0]
        if layout == "expanded" and sizes and sizes[0]:
            return dense[:1].expand(sizes)
        if layout == "overlapping" and values:
            return torch.tensor(values, dtype=dtype).as_strided(
                sizes, tuple(min(1, stride) for stride in dense.stride()))
        if layout == "absurd" and values:
            return dense.as_strided(sizes, tuple(
                1000003 if size == 1 else stride for size, stride in zip(sizes, dense.stride())))
        return dense

    def make(sizes, dtype, fill="plain", low=-2, high=3, layout="dense", seed=0, grad=False):
        """A tensor of these sizes; fill: plain, wild, largest, or definite (symmetric
        positive-definite matrices); grad: asks for a gradient, of the tensor itself unless the layout is nonleaf."""
        r = random.Random(seed)
        values = elements(r, math.prod(sizes), dtype, fill, low, high)
        made = laid_out(values, tuple(sizes), getattr(torch, dtype), layout)
        if fill == "definite":
            made = made @ made.transpose(-1, -2) + sizes[-1] * torch.eye(sizes[-1],
                                                                          dtype=made.dtype)
        if grad and dtype in FLOATS:
            made.requires_grad_()
            if layout == "nonleaf":
                made = made * 1
        return made

    return make


class Worst:
    """A number whose own code runs when it is asked for, and does its worst."""

    def __init__(self, value, worst):
        self.value, self.worst = value, worst

    def __index__(self):
        self.worst()
        return int(self.value)

    __int__ = __index__

    def __float__(self):
        self.worst()
        return float(self.value)

    def __iter__(self):
        self.worst()
        return itertools.repeat(self, 2)

    def __len__(self):
        self.worst()
        return 2

    def __getitem__(self, i):
        self.worst()
        if i > 2:
            raise IndexError
        return self.value
