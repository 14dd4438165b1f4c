"""Single calls over the whole operator table beside PyTorch, in one process, in turn: what counts is the ratio.

    python sweep.py [operator ...] [--sizes small middle large] [--dtypes float32 ...] [--layouts strided]
    FLAMBEAU_BUILD=build python sweep.py --worst 0.7 --list slow_calls.md

The calls are the samples of the tests (docs/operators.md, "Samples"), their tensors brought to about 16, 64k or 4M
elements. Both sides read the same memory, one thread each, no graph. A ratio is PyTorch's fastest slice of time over
Flambeau's: above 1, Flambeau is faster. What seems slow is measured again before it is told. Without options few
kinds of operands are swept (DEFAULT): a run ends in some minutes.
"""
import argparse
import math
import os
import pathlib
import resource
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "table"))

import flambeau
import samples
import torch

SIZES = {"small": 16, "middle": 1 << 16, "large": 1 << 22}
LAYOUTS = ("contiguous", "strided")
DTYPES = ("float32", "float64", "bfloat16", "int64", "uint8", "int16")
POINTWISE_ONLY = ("uint8", "int16")
DEFAULT = [("small", "float32", "contiguous"), ("middle", "float32", "contiguous"), ("middle", "float32", "strided"),
           ("middle", "float64", "contiguous"), ("middle", "bfloat16", "contiguous"), ("middle", "int64", "contiguous"),
           ("middle", "uint8", "contiguous"), ("middle", "int16", "contiguous")]
SLICE = 2e-4  # seconds: a shorter call is repeated within a slice
LONG = 0.3    # seconds: a longer call is timed once
MEMORY = 6 << 30

REASONS = {name: reason for reason, names in {
    "right in the left tail too, where PyTorch's 1 + erf keeps nothing": "gelu",
    "1.6 ULP on every instruction set, by one division": "tanh",
    "the same bits on every instruction set; PyTorch's is MKL's": "exp erfinv tan sinh cosh arctanh atanh",
    "float32 is computed in double and rounded once, for 0.6 ULP": """asinh acosh lgamma gammaln mvlgamma
        special_multigammaln digamma igamma special_gammainc igammac special_gammaincc special_zeta special_ndtri
        special_log_ndtr special_bessel_j0 special_bessel_j1 special_bessel_y0 special_bessel_y1 special_i1e
        special_airy_ai polygamma""",
    "in double by plain kernels, so that a float32 answer is as good as its input; PyTorch's is MKL's": """linalg_eig
        linalg_eigvals linalg_lstsq linalg_ldl_factor linalg_ldl_factor_ex linalg_pinv pinverse linalg_cond
        linalg_matrix_rank linalg_matrix_exp matrix_exp nuclear_norm linalg_svdvals linalg_svd svd cholesky
        linalg_cholesky linalg_eigvalsh cholesky_inverse cholesky_solve linalg_solve_triangular triangular_solve""",
    "equal elements come in PyTorch's own order, which counting them would not give": "sort topk msort argsort",
    "both end at the first difference; what is left is what three calls cost": "equal",
    "integers have no fast product: plain sums in 64 bits, which wrap around": "conv1d conv2d conv_transpose1d",
    "a sum is one chain over k, so that a row has the bits that it has in a product of matrices": "mv addmv",
    "halves are rounded after each addition, as PyTorch rounds them, by operators": "adaptive_avg_pool3d",
    "a line is sorted, where PyTorch selects": "nanmedian",
    "a destination that does not lie in rows is gathered, written and put back whole": "index_put",
    "by the C library, an element at a time, in double": "frexp",
    "draws PyTorch's numbers one by one, in double": "_standard_gamma _standard_gamma_grad poisson binomial",
}.items() for name in names.split()}


# ---- operands -----------------------------------------------------------------------------------

def edges(values, count):
    """Ways to bring a sample's sizes to about `count` elements, the likeliest first: functions of sizes."""
    shapes = [r.sizes for r in samples_tensors(values) if r.kind != "literal"]
    if not shapes:
        return [lambda sizes: [max(1, round(count ** (1 / max(1, len(sizes)))))] * len(sizes)]
    edge = max(1, round(count ** (1 / max(1, max(map(len, shapes))))))
    times = max(1, round(count / max(1, max(map(math.prod, shapes)))))
    return [lambda sizes: [edge if n > 1 else n for n in sizes],
            lambda sizes: [times * n if d == 0 else n for d, n in enumerate(sizes)],
            lambda sizes: [times * n if d == 0 and tuple(sizes) == shapes[0] else n for d, n in enumerate(sizes)],
            lambda sizes: [times * n if d == len(sizes) - 1 else n for d, n in enumerate(sizes)]]


def samples_tensors(values):
    """The recipes among a sample's values."""
    flat = [v for value in values.values() for v in (value if isinstance(value, list) else [value])]
    return [v for v in flat if isinstance(v, samples.Recipe)]


def tensor(recipe, sizes, dtype, strided, bounds):
    """A recipe as PyTorch's tensor; strided: the last two dims lie the other way round."""
    if recipe.kind == "literal":
        t = torch.tensor(recipe.values)
        return t.to(dtype) if t.is_floating_point() else t
    turned = strided and len(sizes) > 1
    lies = [*sizes[:-2], sizes[-1], sizes[-2]] if turned else [*sizes[:-1], 2 * sizes[-1]] if strided and sizes else sizes
    low, high = (recipe.low, recipe.high) if recipe.low is not None else bounds
    if recipe.kind == "bool":
        t = torch.rand(lies) < 0.6
    elif recipe.kind == "int":
        t = torch.randint(recipe.low or 0, recipe.high or 4, lies,
                          dtype=getattr(torch, str(recipe.dtype or "int64").split(".")[-1]))
    elif not dtype.is_floating_point:
        t = torch.randint(1, 5, lies, dtype=dtype)
    else:
        t = torch.rand(lies, dtype=torch.float64) * (high - low) + low
        if recipe.kind == "definite":
            t = (t + t.mT) / 2 + lies[-1] * torch.eye(lies[-1], dtype=t.dtype)
        t = t.to(torch.complex128 if recipe.kind == "complex" else dtype)
    return t.mT if turned else t[..., ::2] if strided and sizes else t


def arguments(sample, scale, dtype, strided):
    """The arguments of one call, for PyTorch and for Flambeau, which share memory."""
    def both(value):
        if isinstance(value, samples.Recipe):
            t = tensor(value, list(scale(value.sizes)), dtype, strided, sample.bounds)
            return t, flambeau.from_dlpack(t)
        if isinstance(value, list) and value and isinstance(value[0], samples.Recipe):
            return tuple(list(side) for side in zip(*map(both, value)))
        if isinstance(value, flambeau.dtype):
            return getattr(torch, str(value).split(".")[-1]), value
        return value, value
    torch.manual_seed(0)
    made = {name: both(value) for name, value in sample.values.items()}
    if not samples_tensors(sample.values):
        for name, value in sample.values.items():
            if name in ("size", "shape") and isinstance(value, list):
                made[name] = (scale(value),) * 2
    return [{name: pair[side] for name, pair in made.items()} for side in (0, 1)]


# ---- calls --------------------------------------------------------------------------------------

HOMES = {"function": lambda t: t, "nn": lambda t: t._C._nn if t is torch else t.nn.functional,
         "special": lambda t: t.special, "linalg": lambda t: t.linalg, "method": lambda t: t.Tensor}


def function(library, op):
    """The operator's function in that library, and the home that has it; None where it has none."""
    for form in op.forms:
        name = op.base if form == "method" else op.python_name(form)
        homes = [HOMES[form](library)] if form in HOMES else []
        homes += [torch.nn.functional] if form == "nn" and library is torch else []
        for home in homes:
            if hasattr(home, name):
                return getattr(home, name)
    return None


def call(op, library, args):
    """A function without arguments that makes the call."""
    function_, args, positional = function(library, op), dict(args), []
    for p in op.params:
        if p["keyword"] or p["name"] not in args:
            break
        value = args.pop(p["name"])
        positional += value if "varargs" in op.forms else [value]
    return lambda: function_(*positional, **args)


def prepared(op, sample, count, dtype, strided):
    """The two calls, at the first way of scaling with which both succeed; None where none does."""
    for scale in edges(sample.values, count):
        try:
            calls = [call(op, library, args) for library, args in
                     zip((torch, flambeau), arguments(sample, scale, dtype, strided))]
            for run in calls:
                run()
            return calls
        except Exception:  # refused: this size, this dtype, or the call as a whole
            continue
    return None


def slice_seconds(run, times):
    start = time.perf_counter()
    for _ in range(times):
        run()
    return (time.perf_counter() - start) / times


def seconds(calls, rounds):
    """The fastest slice of each side, which take turns."""
    once = [slice_seconds(run, 1) for run in calls]
    if max(once) > LONG:
        return once
    times = [max(1, min(1000, int(SLICE / t))) for t in once]
    turns = [[slice_seconds(run, n) for run, n in zip(calls, times)] for _ in range(rounds)]
    return [min(side) for side in zip(*turns)]


def measured(calls, rounds, worst):
    """The seconds of each side; longer where the ratio is to be told."""
    theirs, ours = seconds(calls, rounds)
    if theirs < worst * ours:
        again = seconds(calls, 4 * rounds)
        theirs, ours = min(theirs, again[0]), min(ours, again[1])
    return theirs, ours


# ---- the sweep ----------------------------------------------------------------------------------

def accepted(op, dtype):
    return ("float" if getattr(torch, dtype).is_floating_point else "int") in op.accepts and (
        dtype not in POINTWISE_ONLY or op.kind == "pointwise")


def mean(ratios):
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else math.nan


def write_list(path, found, slow, worst):
    """Which calls are slower than PyTorch's, and why, as a page."""
    rows = {}  # by operator: its worst ratio, the kinds of operands
    for ratio, kind, op, _ in slow:
        rows.setdefault((op.name, op.base), []).append((ratio, " ".join(kind)))
    lines = [f"# Calls slower than {worst} of PyTorch", "",
             f"Written by `python bench/sweep.py --list FILE --worst {worst}`, one thread. Of {len(found)} calls the geometric "
             f"mean of the ratios (PyTorch's time over Flambeau's) is {mean([f[0] for f in found]):.2f}; {len(slow)} are "
             "below, by operator: the lowest ratio, with which operands, and the reason where there is one that is meant.",
             "", "| operator | ratio | operands | reason |", "|---|---|---|---|"]
    for (name, base), at in rows.items():
        more = f" and {len(at) - 1} more" if len(at) > 1 else ""
        lines.append(f"| `{name}` | {at[0][0]:.2f} | {at[0][1]}{more} | {REASONS.get(base, '')} |")
    pathlib.Path(path).write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("operators", nargs="*", help="base names; all by default")
    parser.add_argument("--sizes", nargs="+", choices=SIZES)
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES)
    parser.add_argument("--layouts", nargs="+", choices=LAYOUTS)
    parser.add_argument("--kinds", nargs="+", help="pointwise, reduce, view, kernel, compose")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worst", type=float, default=0.7, help="calls below this ratio are listed")
    parser.add_argument("--list", help="a page to write of the calls below")
    args = parser.parse_args()
    kinds = DEFAULT
    if args.sizes or args.dtypes or args.layouts:
        kinds = [(s, d, l) for s in args.sizes or ["middle"] for d in args.dtypes or ["float32"]
                 for l in args.layouts or ["contiguous"]]
    torch.set_num_threads(1)
    flambeau.set_num_threads(1)
    torch.set_grad_enabled(False)
    flambeau.set_grad_enabled(False)
    held = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
    found, skipped = [], []
    for op in samples.operators():
        if op.writes or (args.operators and op.base not in args.operators) or (args.kinds and op.kind not in args.kinds):
            continue
        if not (function(torch, op) and function(flambeau, op)):
            skipped.append(op.name)
            continue
        for sample in op.samples()[:1]:
            for size, dtype, layout in kinds:
                if not accepted(op, dtype):
                    continue
                calls = prepared(op, sample, SIZES[size], getattr(torch, dtype), layout == "strided")
                if not calls:
                    skipped.append(f"{op.name} {size} {dtype} {layout}")
                    continue
                try:
                    theirs, ours = measured(calls, args.rounds, args.worst)
                except (MemoryError, RuntimeError):  # prepared made two results, and these are more
                    skipped.append(f"{op.name} {size} {dtype} {layout}")
                    continue
                found.append((theirs / ours, (size, dtype, layout), op, ours))
    for kind in kinds:
        ratios = [f[0] for f in found if f[1] == kind]
        print(f"{mean(ratios):8.2f}  {' '.join(kind)}: {len(ratios)} calls, {sum(r < 1 for r in ratios)} below 1")
    print(f"{mean([f[0] for f in found]):8.2f}  geometric mean of {len(found)}; "
          f"{len(skipped)} not comparable (one side refuses, or has no such function)")
    slow = sorted((f for f in found if f[0] < args.worst), key=lambda f: f[0])
    for ratio, kind, op, ours in slow:
        print(f"{ratio:8.2f}  {op.name:32s} {' '.join(kind):28s} {ours:9.2e} s  {REASONS.get(op.base, '')}".rstrip())
    if args.list:
        write_list(args.list, found, slow, args.worst)


if __name__ == "__main__":
    main()
