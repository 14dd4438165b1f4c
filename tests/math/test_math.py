"""The functions of src/ops/pointwise/math.h against mpmath, core/half.h against Python's own.

A small shared object holds a plain loop for every function, compiled as the library's *.simd.c
files are, once for each instruction set that this machine runs. What is tested: errors in units of
the last place, over random and awkward arguments; the values that standards fix; that every
instruction set gives the same bits; that GCC vectorises the loops.

By hand, with more samples: SAMPLES=5000 pytest tests/math
"""
import array
import ctypes
import math
import os
import pathlib
import platform
import random
import re
import shutil
import struct
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLES = int(os.environ.get("SAMPLES", 80))
CC = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or "cc"
FLAGS = ("-std=c17 -O3 -fno-math-errno -fno-trapping-math -fwrapv -ffp-contract=off -D_GNU_SOURCE "
         "-Wall -Wextra -Werror -shared -fPIC").split()
ISAS = {"generic": ""}
if platform.machine() in ("x86_64", "AMD64"):
    cpu = pathlib.Path("/proc/cpuinfo")
    has = set(cpu.read_text().split()) if cpu.exists() else set()
    if {"avx2", "fma", "f16c", "bmi2"} <= has:
        ISAS["avx2"] = "-mavx2 -mfma -mf16c -mbmi2"
    if {"avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512cd"} <= has:
        ISAS["avx512"] = "-march=x86-64-v4 -mprefer-vector-width=512"

# The greatest error allowed, in units of the last place, for float and for double.
UNARY = {
    "exp": (1, 1), "exp2": (0.9, 0.9), "expm1": (1.5, 1.9), "log": (0.9, 0.8), "log2": (1, 0.9),
    "log10": (1, 0.9), "log1p": (1.6, 1.5), "sqrt": (0.5, 0.5), "rsqrt": (1.5, 1.5),
    "sin": (1.7, 0.9), "cos": (1.7, 0.9), "tan": (0.6, 1.4), "asin": (1.3, 1.3), "acos": (1.3, 1.3),
    "atan": (1.4, 1.6), "sinh": (1.8, 1.8), "cosh": (1.6, 1.6), "tanh": (1.7, 2),
    "asinh": (0.6, 1.7), "acosh": (0.6, 1.8), "atanh": (0.6, 1.6), "erf": (1, 1.1),
    "erfc": (0.6, 3), "erfinv": (0.6, 2.5), "sigmoid": (1.6, 1.6), "log_sigmoid": (1.9, 1.9),
    "softplus": (1.9, 1.9), "gelu": (3.5, 3), "gelu_slope": (2, 3.5), "gelu_tanh": (1.9, 2.2),
    "lgamma": (0.6, 4), "i0": (0.6, 4), "i1": (0.6, 4), "digamma": (0.6, 6), "sinc": (0.6, 2.1),
    "sin_near": (1.7, 0.9), "cos_near": (1.7, 0.9), "tan_near": (0.6, 1.4), "floor": (0, 0),
    "ceil": (0, 0), "trunc": (0, 0), "round": (0, 0),
    "frac": (0, 0), "i0e": (0.6, 3), "i1e": (0.6, 3.5), "erfcx": (0.6, 3), "log_ndtr": (0.6, 4),
    "ndtri": (0.6, 4), "bessel_j0": (0.6, 3), "bessel_j1": (0.6, 3.5), "bessel_y0": (0.6, 4),
    "bessel_y1": (0.6, 4), "modified_bessel_k0": (0.6, 3), "modified_bessel_k1": (0.6, 3),
    "scaled_modified_bessel_k0": (0.6, 3), "scaled_modified_bessel_k1": (0.6, 3),
    "airy_ai": (0.6, 4),
}
BINARY = {
    "pow": (0.6, 1.1), "atan2": (1.5, 1.6), "hypot": (0.6, 1), "fmod": (0, 0),
    "remainder": (0.5, 0.5), "logaddexp": (1.7, 1.7), "logaddexp2": (1.7, 1.7), "xlogy": (1.6, 1.6),
    "ldexp": (0.5, 0.5), "floor_divide": None, "nextafter": None, "copysign": None, "fmin": None,
    "fmax": None, "minimum": None, "maximum": None, "heaviside": None, "igamma": None,
    "igammac": None, "gamma_grad": None, "zeta": None, **dict.fromkeys(
        [f"{f}_polynomial_{kind}" for f, kinds in (("chebyshev", "tuvw"), ("laguerre", "l"),
                                                   ("legendre", "p"), ("hermite", ["h", "he"]))
         for kind in kinds]),
}
INTEGER = ["floordiv", "mod", "pow", "gcd"]
QUOTIENTS = ["fmod_near", "remainder_near", "floor_divide_near"]  # of operands whose quotient is near 0
# What GCC's report does not call vectorised: erfinv_inner works on vectors by itself, block by block.
SCALAR = {"erfinv_inner_f32", "sin_f64", "cos_f64", "tan_f64", "fmod_f32", "fmod_f64", "remainder_f32",
          "remainder_f64", "floor_divide_f32", "floor_divide_f64",
          *(f"{f}_{t}" for t in ("f32", "f64") for f in [
              "igamma", "igammac", "gamma_grad", "zeta", "erfcx", "log_ndtr", "ndtri", "airy_ai",
              *(f for f in [*UNARY, *BINARY] if "bessel" in f or "_polynomial_" in f)])}
CTYPES = {"f32": "float", "f64": "double", "i32": "int32_t", "i64": "int64_t"}
CODES = {"f32": "f", "f64": "d", "i32": "i", "i64": "q", "u16": "H"}
MAX = {"f32": struct.unpack("f", struct.pack("I", 0x7f7fffff))[0], "f64": 1.7976931348623157e308}
TINY = {"f32": 2.0**-149, "f64": 2.0**-1074}
inf, nan = math.inf, math.nan


def source():
    """The harness: do_NAME_TYPE(n, operands..., y), one line each."""
    lines = ['#include "ops/pointwise/math_blocks.h"', '#include "core/half.h"']
    loop = ("void do_{0}(long n, {1}, {2} *restrict y) "
            "{{ for (long i = 0; i < n; i++) y[i] = {3}; }}")
    for t in ("f32", "f64"):
        c = CTYPES[t]
        for f in UNARY:
            lines.append(loop.format(f"{f}_{t}", f"const {c} *restrict a", c, f"m_{f}_{t}(a[i])"))
        for f in [*BINARY, *QUOTIENTS]:
            lines.append(loop.format(f"{f}_{t}", f"const {c} *restrict a, const {c} *restrict b", c,
                                     f"m_{f}_{t}(a[i], b[i])"))
    lines.append("void do_erfinv_inner_f32(long n, const float *restrict a, float *restrict y) "
                 "{ for (long i = 0; i < n; i += M_INNER_BLOCK) y[0] = m_erfinv_inner_block_f32(a + i, y + i, "
                 "n - i < M_INNER_BLOCK ? n - i : M_INNER_BLOCK) ? y[0] : M_NAN_F32; }")
    for t in ("i32", "i64"):
        c = CTYPES[t]
        for f in [*INTEGER, *(["floordiv_near", "mod_near"] if t == "i64" else [])]:
            lines.append(loop.format(f"{f}_{t}", f"const {c} *restrict a, const {c} *restrict b", c,
                                     f"m_{f}_{t}(a[i], b[i])"))
    for f, a, y in (("half_to_float", "uint16_t", "float"), ("float_to_half", "float", "uint16_t"),
                    ("bf16_to_float", "uint16_t", "float"), ("float_to_bf16", "float", "uint16_t")):
        lines.append(loop.format(f, f"const {a} *restrict a", y, f"{f}(a[i])"))
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """{isa: (the shared object, what the compiler said of it)}"""
    folder = tmp_path_factory.mktemp("math")
    (folder / "harness.c").write_text(source())
    libraries = {}
    for isa, flags in ISAS.items():
        out = folder / f"harness_{isa}.so"
        command = [*CC.split(), *FLAGS, *flags.split(), f"-I{ROOT}/src", str(folder / "harness.c"),
                   "-o", str(out), "-lm"]
        done = subprocess.run([*command, "-fopt-info-vec"], capture_output=True, text=True)
        if done.returncode:  # Clang has no such option
            done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        libraries[isa] = ctypes.CDLL(str(out)), done.stderr
    return libraries


def run(library, name, types, result, *operands, isa=None):
    """What the loop makes of lists of operands, as an array."""
    isa = isa or list(library)[-1]
    n = len(operands[0])
    arrays = [array.array(CODES[t], a) for t, a in zip(types, operands)]
    arrays.append(array.array(CODES[result], [0] * n))
    pointers = [ctypes.c_void_p(a.buffer_info()[0]) for a in arrays]
    getattr(library[isa][0], f"do_{name}")(ctypes.c_long(n), *pointers)
    return arrays[-1]


def bits(values):
    """Integers that hold the bits, one pattern for all NaN."""
    code = {4: "I", 8: "Q", 2: "H"}[values.itemsize]
    raw = array.array(code, values.tobytes())
    return [0 if v != v else r for v, r in zip(values, raw)]


def arguments(t, seed):
    """Floats of type t: the awkward ones, random bits, and random numbers of every common size."""
    rng = random.Random(seed)
    size, code = (4, "I") if t == "f32" else (8, "Q")
    raw = [rng.getrandbits(8 * size) for _ in range(SAMPLES)]
    out = [0.0, -0.0, 1, -1, 0.5, -0.5, 2, 3, inf, -inf, nan, TINY[t], -TINY[t], MAX[t], -MAX[t],
           1e30, -1e30, 2.0**24 + 1, 2.0**17, 2.0**25, 88.7, -103.9, 709.7, -745.1, 8, 0.75, 11.5]
    out += list(array.array(CODES[t], array.array(code, raw).tobytes()))
    for width in (1, 5, 20, 110, 800):
        out += [rng.uniform(-width, width) for _ in range(SAMPLES)]
    out += [1 + rng.uniform(-1, 1) * 2.0**rng.uniform(-20, 0) for _ in range(SAMPLES)]
    out += [rng.choice((-1, 1)) * 2.0**rng.uniform(-100, 60) for _ in range(SAMPLES)]
    return list(array.array(CODES[t], out))


def exact(mp):
    """name: the function on mpmath numbers, for finite arguments inside its domain; else None."""
    half = mp.mpf(1) / 2

    def digamma(x):
        return None if x <= 0 and x == mp.floor(x) else mp.digamma(x)

    def lgamma(x):
        return mp.log(abs(mp.gamma(x))) if abs(x) < 100 else mp.loggamma(x).real

    def gelu_tanh(x):
        u = 2 * mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3)
        return x / (1 + mp.exp(-u))

    def density(x):
        return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)

    def sinc(x):
        n = mp.nint(x)
        return mp.mpf(1) if x == 0 else (-1) ** int(n % 2) * mp.sin(mp.pi * (x - n)) / (mp.pi * x)

    def ndtri(p):
        if not 0 < p < 1 or p < 1e-290:
            return None
        x = (-mp.sqrt(-2 * mp.log(p)) if p < 0.05 else mp.sqrt(-2 * mp.log(1 - p)) if p > 0.95
             else mp.sqrt(2) * mp.erfinv(2 * p - 1))
        for _ in range(12):  # Newton's method on the logarithm
            tail = mp.erfc(abs(x) / mp.sqrt(2)) * half
            want = p if x < 0 else 1 - p
            x += mp.sign(x) * (mp.log(tail / want)) * tail / density(x)
        return x

    positive = {"log": mp.log, "log2": lambda x: mp.log(x, 2), "log10": mp.log10, "sqrt": mp.sqrt,
                "rsqrt": lambda x: 1 / mp.sqrt(x), "lgamma": lgamma}
    table = {f: (lambda x, g=g: g(x) if x > 0 else None) for f, g in positive.items()}
    table |= {
        "exp": mp.exp, "exp2": lambda x: mp.power(2, x), "expm1": mp.expm1,
        "log1p": lambda x: mp.log1p(x) if x > -1 else None,
        "sin": mp.sin, "cos": mp.cos, "tan": mp.tan, "sin_near": mp.sin, "cos_near": mp.cos,
        "tan_near": mp.tan,
        "asin": lambda x: mp.asin(x) if abs(x) <= 1 else None,
        "acos": lambda x: mp.acos(x) if abs(x) <= 1 else None, "atan": mp.atan,
        "sinh": mp.sinh, "cosh": mp.cosh, "tanh": mp.tanh, "asinh": mp.asinh,
        "acosh": lambda x: mp.acosh(x) if x >= 1 else None,
        "atanh": lambda x: mp.atanh(x) if abs(x) < 1 else None, "erf": mp.erf, "erfc": mp.erfc,
        "erfinv": lambda x: mp.erfinv(x) if abs(x) < 1 else None,
        "sigmoid": lambda x: 1 / (1 + mp.exp(-x)), "softplus": lambda x: mp.log1p(mp.exp(x)),
        "log_sigmoid": lambda x: -mp.log1p(mp.exp(-x)),
        "gelu": lambda x: x * mp.erfc(-x / mp.sqrt(2)) * half, "gelu_tanh": gelu_tanh,
        "gelu_slope": lambda x: mp.erfc(-x / mp.sqrt(2)) * half + x * density(x),
        "i0": lambda x: mp.besseli(0, x), "i1": lambda x: mp.besseli(1, x), "digamma": digamma,
        "sinc": sinc, "i0e": lambda x: mp.besseli(0, x) * mp.exp(-abs(x)),
        "i1e": lambda x: mp.besseli(1, x) * mp.exp(-abs(x)),
        "erfcx": lambda x: mp.exp(x * x) * mp.erfc(x), "ndtri": ndtri,
        "log_ndtr": lambda x: mp.log(mp.erfc(-x / mp.sqrt(2)) * half) if x < 0
        else mp.log1p(-mp.erfc(x / mp.sqrt(2)) * half), "airy_ai": mp.airyai,
        **{f"bessel_{f}{n}": (lambda x, g=g, n=n: g(n, x) if x > 0 or g == mp.besselj else None)
           for f, g in (("j", mp.besselj), ("y", mp.bessely)) for n in (0, 1)},
        **{f"{s}modified_bessel_k{n}": (lambda x, s=s, n=n: mp.besselk(n, x) * mp.exp(x if s else 0)
                                        if x > 0 else None) for s in ("", "scaled_") for n in (0, 1)},
        "floor": mp.floor, "ceil": mp.ceil, "round": mp.nint,
        "trunc": lambda x: mp.sign(x) * mp.floor(abs(x)),
        "frac": lambda x: x - mp.sign(x) * mp.floor(abs(x)),
        "pow": lambda a, b: mp.power(a, b) if a > 0 or (a and b == mp.floor(b)) else None,
        "atan2": mp.atan2, "hypot": mp.hypot,
        "fmod": lambda a, b: mp.mpf(math.fmod(a, b)) if b else None,
        "remainder": lambda a, b: mp.mpf(float(a) % float(b)) if b else None,
        "logaddexp": lambda a, b: max(a, b) + mp.log1p(mp.exp(-abs(a - b))),
        "logaddexp2": lambda a, b: max(a, b) + mp.log(1 + mp.power(2, -abs(a - b)), 2),
        "xlogy": lambda a, b: a * mp.log(b) if b > 0 else None,
        "ldexp": lambda a, b: mp.ldexp(a, int(b)) if b == mp.floor(b) else None,
    }
    return table


def ulps(mp, y, true, t, scale=None):
    """|y - true| in units of the last place of the true value (or of `scale`), for a float y."""
    digits, least = (24, -149) if t == "f32" else (53, -1074)
    if abs(true) >= mp.mpf(MAX[t]) * (1 + mp.mpf(2) ** -(digits + 1)):
        return 0 if math.isinf(y) and (y > 0) == (true > 0) else 1e9
    if not math.isfinite(y):
        return 1e9
    size = max(abs(true), scale or 0)
    exponent = max(mp.frexp(size)[1] - digits, least) if size else least
    return float(abs(mp.mpf(y) - true) / mp.mpf(2) ** exponent)


@pytest.mark.parametrize("t", ["f32", "f64"])
@pytest.mark.parametrize("name", UNARY)
def test_unary_error(library, name, t):
    mp = pytest.importorskip("mpmath").mp
    xs = arguments(t, name)
    if name.endswith("_near"):
        xs = [x for x in xs if abs(x) < (2.0**17 if t == "f32" else 2.0**25)]
    # Slow, or beyond use.
    if name in ("lgamma", "digamma", "i0", "i1", "gelu", "gelu_slope", "gelu_tanh", "erfc", "i0e",
                "i1e", "erfcx", "log_ndtr", "ndtri", "airy_ai") or "bessel" in name:
        xs = [x for x in xs if abs(x) < 700][::3]
    if name == "ndtri":
        xs += list(array.array(CODES[t], [random.Random(0).random() for _ in range(SAMPLES)]))
        xs += list(array.array(CODES[t], [10.0**-k for k in range(1, 38)]))
    ys = run(library, f"{name}_{t}", [t], t, xs)
    bound = UNARY[name][t == "f64"]
    with mp.workprec(1200 if name in ("sin", "cos", "tan", "cosh", "sinh") else 250):
        function = exact(mp)[name]
        for x, y in zip(xs, ys):
            if not math.isfinite(x):
                continue
            huge = abs(x) > 2000 and name in ("exp", "exp2", "expm1", "sinh", "cosh", "sigmoid",
                                              "softplus", "log_sigmoid", "tanh", "erf")
            true = None if huge else function(mp.mpf(x))
            if true is None:
                continue
            scale = 1 if name == "digamma" else 0
            if x < 0 and name == "digamma":  # two terms that cancel near the zeros
                scale = max(1, abs(mp.pi / mp.tan(mp.pi * mp.mpf(x))))
            if name in ("bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1"):  # the amplitude
                n = int(name[-1])
                scale = abs(mp.hankel1(n, abs(mp.mpf(x)))) if abs(x) > 1e-3 else 0
            if name == "airy_ai" and x < 0:
                scale = mp.hypot(true, mp.airybi(mp.mpf(x)))
            if name == "gelu_slope":
                scale = abs(x) * mp.exp(-mp.mpf(x)**2 / 2) / mp.sqrt(2 * mp.pi)
            error = ulps(mp, y, true, t, scale)
            assert error <= bound, f"{name}({x!r}) = {y!r}, not {mp.nstr(true, 20)}: {error} ULP"


@pytest.mark.parametrize("t", ["f32", "f64"])
@pytest.mark.parametrize("name", [f for f in BINARY if BINARY[f]])
def test_binary_error(library, name, t):
    mp = pytest.importorskip("mpmath").mp
    xs = arguments(t, name)
    zs = xs[:]
    random.Random(0).shuffle(zs)
    if name == "pow":
        zs = [math.floor(z) if abs(z) < 50 and x < 0 else z for x, z in zip(xs, zs)]
    if name == "ldexp":
        zs = [float(round(z)) if abs(z) < 4000 else 5.0 for z in zs]
    zs = list(array.array(CODES[t], zs))
    ys = run(library, f"{name}_{t}", [t, t], t, xs, zs)
    bound = BINARY[name][t == "f64"]
    with mp.workprec(250):
        function = exact(mp)[name]
        for x, z, y in zip(xs, zs, ys):
            if not math.isfinite(x) or not math.isfinite(z):
                continue
            if name == "pow" and x and abs(x) != 1 and abs(z * math.log2(abs(x))) > 3000:
                continue
            if name.startswith("logadd") and abs(x - z) > 1e5:
                continue
            if name == "remainder" and t == "f32" and abs(x) < abs(z) * 1e-7:
                continue  # Python's % rounds in double
            true = function(mp.mpf(x), mp.mpf(z))
            if true is None:
                continue
            scale = max(abs(x), abs(z), 0.7) if name.startswith("logadd") else 0
            if name == "atan2" and x == 0:
                continue  # mpmath has no -0
            error = ulps(mp, y, true, t, mp.mpf(scale))
            what = f"{name}({x!r}, {z!r}) = {y!r}, not {mp.nstr(true, 20)}"
            assert error <= bound, f"{what}: {error} ULP"


def test_incomplete_gamma(library):
    """To 1e-12 of the value, wherever that is not beyond 1e-290; the sum of both is 1 by each way,
    also where mpmath is too slow to be asked."""
    mp = pytest.importorskip("mpmath").mp
    pairs = [(a, a * r) for a in (1e-3, 0.1, 0.5, 1.0, 2.3, 9.0, 11.0, 80.0, 500.0, 9000.0)
             for r in (0.01, 0.3, 0.9, 0.99, 1.0, 1.001, 1.1, 2.0, 10.0)]
    a, x = zip(*pairs)
    lower, upper = (run(library, f"{f}_f64", ["f64"] * 2, "f64", a, x)
                    for f in ("igamma", "igammac"))
    with mp.workprec(400):
        for p, z, low, high in zip(a, x, lower, upper):
            for y, ends in ((low, (0, z)), (high, (z, mp.inf))):
                true = mp.gammainc(mp.mpf(p), *ends, regularized=True)
                if true > 1e-290:
                    assert abs(y / true - 1) < 1e-12, (p, z, y, mp.nstr(true, 20))
    pairs = [(a, a + r * math.sqrt(a)) for a in (5e4, 99999.0, 100001.0, 1e6, 1e9, 1e15)
             for r in (-9.0, -3.0, -1.0, -0.01, 0.0, 0.01, 1.0, 3.0, 9.0)]
    a, x = zip(*pairs)
    lower, upper = (run(library, f"{f}_f64", ["f64"] * 2, "f64", a, x)
                    for f in ("igamma", "igammac"))
    for p, z, low, high in zip(a, x, lower, upper):
        assert abs(low + high - 1) < 1e-12 and low >= 0 and high >= 0, (p, z, low, high)
        # a gamma's median is near a - 1/3, and the two ways meet at 1e5
        normal = 0.5 * math.erfc((p - z - 1 / 3) / math.sqrt(2 * p))
        assert abs(low - normal) < 0.3 / math.sqrt(p), (p, z, low, normal)


def test_zeta(library):
    """To 4 ULP; between its poles, by terms of negative base, to 1e-13."""
    mp = pytest.importorskip("mpmath").mp
    pairs = [(s, q) for s in (1.0001, 1.5, 2.0, 3.3, 7.0, 20.0, 60.0)
             for q in (0.01, 0.5, 1.0, 1.7, 11.9, 12.0, 14.5, 100.0, 1e6)]
    ys = run(library, "zeta_f64", ["f64"] * 2, "f64", *zip(*pairs))
    with mp.workprec(300):
        for (s, q), y in zip(pairs, ys):
            error = ulps(mp, y, mp.zeta(mp.mpf(s), mp.mpf(q)), "f64")
            assert error <= 4, (s, q, y, error)
        pairs = [(2.0, -1.5), (3.0, -0.25), (5.0, -30.75), (2.0, -1e3 - 0.5)]
        ys = run(library, "zeta_f64", ["f64"] * 2, "f64", *zip(*pairs))
        for (s, q), y in zip(pairs, ys):
            n = -math.floor(q)
            true = mp.zeta(int(s), q + n) + mp.fsum((mp.mpf(q) + k) ** -int(s) for k in range(n))
            assert abs(y / true - 1) < 1e-13, (s, q, y, true)


@pytest.mark.parametrize("t", ["f32", "f64"])
def test_orthogonal_polynomials(library, t):
    """As exact as the recurrences are: some ULP times the degree of the largest of nearby degrees; in
    float 2 ULP wherever the double result is itself so exact."""
    mp = pytest.importorskip("mpmath").mp
    rng = random.Random(t)
    families = {  # the polynomial of degree 1, and (a, b, c) of p(k + 1) = (a x + b) p(k) - c p(k - 1)
        "chebyshev_polynomial_t": (lambda x: x, lambda k: (2, 0, 1)),
        "chebyshev_polynomial_u": (lambda x: 2 * x, lambda k: (2, 0, 1)),
        "chebyshev_polynomial_v": (lambda x: 2 * x - 1, lambda k: (2, 0, 1)),
        "chebyshev_polynomial_w": (lambda x: 2 * x + 1, lambda k: (2, 0, 1)),
        "hermite_polynomial_h": (lambda x: 2 * x, lambda k: (2, 0, 2 * k)),
        "hermite_polynomial_he": (lambda x: x, lambda k: (1, 0, k)),
        "laguerre_polynomial_l": (lambda x: 1 - x, lambda k: (
            mp.mpf(-1) / (k + 1), mp.mpf(2 * k + 1) / (k + 1), mp.mpf(k) / (k + 1))),
        "legendre_polynomial_p": (lambda x: x, lambda k: (
            mp.mpf(2 * k + 1) / (k + 1), 0, mp.mpf(k) / (k + 1)))}
    xs = [rng.uniform(-w, w) for w in (1, 4) for _ in range(40)] + [1.0, -1.0, 0.3]
    xs = list(array.array(CODES[t], xs))
    for name, (first, step) in families.items():
        ns = [float(rng.randint(1, 25)) for _ in xs]
        ys = run(library, f"{name}_{t}", [t, t], t, xs, ns)
        with mp.workprec(300):
            for x, n, y in zip(xs, ns, ys):
                before, want = mp.mpf(1), first(mp.mpf(x))
                for k in range(1, int(n)):
                    (a, b, c), last = step(k), want
                    want, before = (a * mp.mpf(x) + b) * want - c * before, last
                error = ulps(mp, y, want, t, max(abs(want), abs(before), 1))
                assert error <= (2 if t == "f32" else 8 * n), (name, x, n, y, error)


PI = math.pi
EDGES = {
    "exp": [(inf, inf), (-inf, 0), (0, 1), (1000, inf), (-1000, 0)],
    "exp2": [(inf, inf), (-inf, 0), (10, 1024), (-3, 0.125), (2000, inf)],
    "expm1": [(inf, inf), (-inf, -1), (0, 0), (-0.0, -0.0), (-1000, -1), (1000, inf)],
    "log": [(0, -inf), (-0.0, -inf), (-1, nan), (-inf, nan), (inf, inf), (1, 0)],
    "log2": [(0, -inf), (-1, nan), (inf, inf), (8, 3), (1, 0)],
    "log10": [(0, -inf), (-1, nan), (inf, inf), (1000, 3), (1, 0)],
    "log1p": [(-1, -inf), (-2, nan), (inf, inf), (0, 0), (-0.0, -0.0)],
    "sqrt": [(-1, nan), (-0.0, -0.0), (inf, inf), (4, 2)],
    "rsqrt": [(0, inf), (-0.0, -inf), (-1, nan), (inf, 0), (4, 0.5)],
    "sin": [(0, 0), (-0.0, -0.0), (inf, nan), (-inf, nan)], "cos": [(0, 1), (inf, nan)],
    "tan": [(0, 0), (-0.0, -0.0), (-inf, nan)],
    "asin": [(-0.0, -0.0), (1.5, nan), (1, PI / 2), (-1, -PI / 2)],
    "acos": [(1, 0), (-1, PI), (1.5, nan), (0, PI / 2)],
    "atan": [(-0.0, -0.0), (inf, PI / 2), (-inf, -PI / 2)],
    "sinh": [(-0.0, -0.0), (inf, inf), (-inf, -inf)], "cosh": [(0, 1), (-inf, inf), (1e30, inf)],
    "tanh": [(-0.0, -0.0), (inf, 1), (-inf, -1), (50, 1)],
    "asinh": [(-0.0, -0.0), (inf, inf), (-inf, -inf)], "acosh": [(1, 0), (0.5, nan), (inf, inf)],
    "atanh": [(-0.0, -0.0), (1, inf), (-1, -inf), (2, nan)],
    "erf": [(-0.0, -0.0), (inf, 1), (-inf, -1)], "erfc": [(inf, 0), (-inf, 2), (0, 1)],
    "erfinv": [(1, inf), (-1, -inf), (1.5, nan), (-0.0, -0.0)],
    "sigmoid": [(0, 0.5), (inf, 1), (-inf, 0)], "softplus": [(inf, inf), (-inf, 0)],
    "log_sigmoid": [(inf, 0.0), (-inf, -inf)],
    "gelu": [(0, 0), (-0.0, -0.0), (inf, inf), (-inf, nan)],
    "gelu_slope": [(0, 0.5), (-0.0, 0.5), (inf, nan), (-inf, nan)],
    "gelu_tanh": [(0, 0), (-0.0, -0.0), (inf, inf), (-inf, nan)],
    "lgamma": [(1, 0), (2, 0), (0, inf), (-1, inf), (inf, inf), (-inf, inf)],
    "digamma": [(0, -inf), (-0.0, inf), (-1, nan), (inf, inf), (-inf, nan)],
    "i0": [(0, 1), (inf, nan), (-inf, nan)], "i1": [(0, 0), (inf, nan), (-inf, nan)], "sinc": [(0, 1), (1, 0), (inf, nan)],
    "i0e": [(0, 1), (inf, 0), (-inf, 0)], "i1e": [(0, 0), (-0.0, -0.0), (inf, 0), (-inf, -0.0)],
    "erfcx": [(0, 1), (inf, 0), (-inf, inf), (-30, inf)],
    "log_ndtr": [(inf, -0.0), (-inf, -inf)],
    "ndtri": [(0, -inf), (1, inf), (0.5, 0), (-0.1, nan), (1.5, nan), (inf, nan)],
    "bessel_j0": [(0, 1), (inf, nan), (-inf, nan)], "bessel_j1": [(0, 0), (-0.0, -0.0), (inf, nan)],
    "bessel_y0": [(0, -inf), (-0.0, -inf), (-1, nan), (inf, nan)],
    "bessel_y1": [(0, -inf), (-0.0, -inf), (-1, nan), (inf, nan)],
    "modified_bessel_k0": [(0, inf), (-1, nan), (inf, 0), (1e4, 0)],
    "modified_bessel_k1": [(0, inf), (-1, nan), (inf, 0), (1e4, 0)],
    "scaled_modified_bessel_k0": [(0, inf), (-1, nan), (inf, 0)],
    "scaled_modified_bessel_k1": [(0, inf), (-1, nan), (inf, 0)],
    "airy_ai": [(inf, nan), (-inf, nan), (1e30, 0)],
    "zeta": [((1, 2), inf), ((0.5, 2), nan), ((2, 0), inf), ((2, -1), inf), ((2.5, -1.5), nan),
             ((inf, 2), nan), ((2, inf), nan), ((nan, 1), nan), ((2, nan), nan)],
    "chebyshev_polynomial_t": [((nan, 0), 1), ((nan, 5), nan), ((0.5, -3), 0), ((0.5, 2.9), -0.5),
                               ((-1, 3), -1), ((1, 1e15), 1), ((0.5, nan), 0),
                               ((1.5, 1e15), nan), ((1, 1e30), 0)],
    "hermite_polynomial_h": [((2, 3), 40), ((2, 0.5), 1), ((2, -1), 0), ((0, 1e15), nan), ((0, 1e30), 0)],
    "laguerre_polynomial_l": [((0, 10), 1), ((0.5, 2), 0.125), ((0.5, 1e15), nan), ((0, 1e15), 1),
                              ((0, 1e30), 0)],
    "legendre_polynomial_p": [((-1, 3), -1), ((0.5, 2), -0.125), ((0.5, -1), 0), ((0.5, 1e15), nan),
                              ((0.5, 1e30), 0)],
    "floor": [(-0.5, -1), (-0.0, -0.0), (inf, inf)], "ceil": [(-0.5, -0.0), (0.5, 1)],
    "trunc": [(-0.5, -0.0), (2.7, 2)], "round": [(0.5, 0), (1.5, 2), (2.5, 2), (-0.5, -0.0)],
    "frac": [(-1.5, -0.5), (2, 0)],
    "pow": [((nan, 0), 1), ((1, nan), 1), ((-1, inf), 1), ((-1, -inf), 1), ((0.5, inf), 0),
            ((0.5, -inf), inf), ((2, inf), inf), ((2, -inf), 0), ((-inf, 3), -inf),
            ((-inf, 2), inf), ((-inf, -3), -0.0), ((-inf, 0.5), inf), ((inf, -1), 0),
            ((0, -1), inf), ((-0.0, -1), -inf), ((-0.0, -2), inf), ((-0.0, 3), -0.0),
            ((0, 0.5), 0), ((-8, 1 / 3), nan), ((-2, 3), -8), ((nan, 1), nan), ((2, nan), nan),
            ((0, 0), 1), ((-0.0, inf), 0)],
    "atan2": [((0, 0), 0), ((-0.0, 0), -0.0), ((0, -0.0), PI), ((-0.0, -0.0), -PI),
              ((inf, inf), PI / 4), ((inf, -inf), 3 * PI / 4), ((1, 0), PI / 2), ((1, inf), 0),
              ((1, -inf), PI), ((nan, 1), nan)],
    "hypot": [((inf, nan), inf), ((nan, -inf), inf), ((nan, 1), nan), ((3, 4), 5), ((0, 0), 0)],
    "fmod": [((5, 3), 2), ((-5, 3), -2), ((5, inf), 5), ((inf, 5), nan), ((5, 0), nan),
             ((-6, 3), -0.0)],
    "remainder": [((5, -3), -1), ((-5, 3), 1), ((-5, inf), inf), ((5, inf), 5), ((1, 0), nan)],
    "floor_divide": [((5, -3), -2), ((-5, 3), -2), ((1, 0), inf), ((-1, 0), -inf),
                     ((0, -3), -0.0), ((inf, 3), nan), ((5, inf), 0), ((-5, inf), -1),
                     ((6, 3), 2)],
    "nextafter": [((0, -1), "-tiny"), ((1, 1), 1), ((0, -0.0), -0.0), ((nan, 1), nan),
                  ((inf, 0), "max"), ((-0.0, 1), "tiny")],
    "copysign": [((1, -0.0), -1), ((-2, 3), 2)],
    "fmin": [((nan, 1), 1), ((1, nan), 1), ((1, 2), 1)],
    "fmax": [((nan, 1), 1), ((1, nan), 1), ((1, 2), 2)],
    "minimum": [((nan, 1), nan), ((1, nan), nan), ((1, 2), 1)],
    "maximum": [((nan, 1), nan), ((1, nan), nan), ((1, 2), 2)],
    "heaviside": [((0, 7), 7), ((-0.0, 7), 7), ((-1, 7), 0), ((3, 7), 1), ((nan, 7), 0)],
    "logaddexp": [((inf, -inf), inf), ((-inf, -inf), -inf), ((inf, inf), inf), ((nan, 1), nan)],
    "logaddexp2": [((inf, -inf), inf), ((-inf, -inf), -inf), ((0, 0), 1)],
    "xlogy": [((0, 0), 0), ((0, -1), 0), ((0, nan), nan), ((nan, 0), nan), ((2, 0), -inf)],
    "ldexp": [((1, 2000), inf), ((1, -5000), 0), ((0, 10), 0), ((inf, -5), inf), ((nan, 1), nan)],
}


@pytest.mark.parametrize("t", ["f32", "f64"])
@pytest.mark.parametrize("name", EDGES)
def test_edges(library, name, t):
    cases = [((x,) if name in UNARY else x, want) for x, want in EDGES[name]]
    if name in UNARY:
        cases.append(((nan,), nan))
    named = {"tiny": TINY[t], "-tiny": -TINY[t], "max": MAX[t]}
    operands = list(zip(*(x for x, _ in cases)))
    got = run(library, f"{name}_{t}", [t] * len(operands), t, *operands)
    want = array.array(CODES[t], [named.get(w, w) for _, w in cases])
    pairs = zip(cases, got, bits(got), bits(want))
    assert [(case, g) for case, g, b, c in pairs if b != c] == []


@pytest.mark.parametrize("t", ["f32", "f64"])
@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_same_bits_on_every_isa(library, name, t):
    xs = arguments(t, name) + arguments(t, name + "more")
    if name.endswith("_near"):
        xs = [x for x in xs if abs(x) < 2.0**17]
    zs = xs[:]
    random.Random(1).shuffle(zs)
    operands = [xs] if name in UNARY else [xs, zs]
    results = [bits(run(library, f"{name}_{t}", [t, t], t, *operands, isa=i)) for i in library]
    assert all(r == results[0] for r in results)
    if name.endswith("_near"):
        full = run(library, f"{name[:-5]}_{t}", [t], t, xs)
        assert bits(full) == results[0]


def test_loops_are_vectorised(library):
    said = {isa: report for isa, (_, report) in library.items() if isa != "generic" and report}
    if not said:
        pytest.skip("no GCC, or no vector instructions beyond the baseline")
    lines = source().split("\n")
    for isa, report in said.items():
        found = re.findall(r"harness\.c:(\d+):\d+: optimized: loop vectorized", report)
        done = {int(m) for m in found}
        scalar = {re.search(r"do_(\w+)", text)[1] for i, text in enumerate(lines, 1)
                  if text.startswith("void") and i not in done}
        assert {f for f in scalar if not f.endswith(("i32", "i64"))} <= SCALAR, isa
        assert not scalar & {"floordiv_i32", "mod_i32", "floordiv_near_i64", "mod_near_i64"}, isa


@pytest.mark.parametrize("t", ["i32", "i64"])
def test_integers(library, t):
    width = int(t[1:])
    low, high = -2 ** (width - 1), 2 ** (width - 1) - 1

    def wrap(v):
        return (v - low) % 2**width + low

    rng = random.Random(t)
    few = [low, low + 1, -7, -3, -2, -1, 0, 1, 2, 3, 7, 31, 63, 64, high - 1, high]
    a = [x for x in few for _ in few] + [rng.randint(low, high) for _ in range(500)]
    b = few * len(few)
    b += [rng.choice((rng.randint(low, high), rng.randint(-9, 9))) for _ in range(500)]
    pairs = list(zip(a, b))
    divisible = [(x, y) for x, y in pairs if y]
    for name, want, cases in (
            ("floordiv", lambda x, y: wrap(x // y), divisible),
            ("mod", lambda x, y: x % y, divisible),
            ("gcd", lambda x, y: wrap(math.gcd(x, y)), pairs),
            ("pow", lambda x, y: wrap(pow(x, y, 2**width)) if y >= 0 else
             (1 if x == 1 else (-1) ** (y % 2) if x == -1 else 0), pairs)):
        got = run(library, f"{name}_{t}", [t, t], t, *zip(*cases))
        assert [(c, g) for c, g in zip(cases, got) if g != want(*c)] == []


def test_inner_erfinv(library):
    """Numbers below 1 - 2^-8 that are 0 or not tiny have the same bits by blocks and one by one."""
    rng = random.Random(0)
    xs = [0.5, 0.0, -0.0, 2.0**-100, -2.0**-100, 0.99609, -0.99609, 0.25, 0.75]
    xs += [rng.uniform(-0.99609, 0.99609) for _ in range(20000)] + [2.0**rng.uniform(-100, -1) for _ in range(2000)]
    xs = array.array("f", xs)
    for isa in library:
        blocks, whole = (run(library, f"{f}_f32", ["f32"], "f32", xs, isa=isa) for f in ("erfinv_inner", "erfinv"))
        assert bits(blocks) == bits(whole)
    for bad in (0.99610, -1.0, 2.0, nan, inf, 2.0**-101, -2.0**-149):
        for place in (0, 5, 127, 130):
            ys = [0.1] * 131
            ys[place] = bad
            assert math.isnan(run(library, "erfinv_inner_f32", ["f32"], "f32", array.array("f", ys))[0])


@pytest.mark.parametrize("t", ["f32", "f64"])
def test_near_quotients(library, t):
    """Remainders by the way for near quotients are exact, and all three have the bits of the long way."""
    rng, digits, least = random.Random(t), *((24, -149) if t == "f32" else (53, -1074))
    pairs = [(a, b) for a in (0.0, 1.5, 7, 2.0**100, inf, nan, 2.0**least) for b in (3.0, 0.0, inf, nan, 2.0**least)
             if not (b and b * 2.0**24 <= a < inf)]
    for _ in range(20000):
        b = math.ldexp(rng.getrandbits(rng.randint(1, digits)) | 1, rng.randint(least, 60 if t == "f32" else 900))
        q = rng.getrandbits(rng.randint(1, 24))
        pairs.append(rng.choice([(b * q, b), (math.ldexp(b, rng.randint(-20, 20)) * rng.random(), b)]))
    pairs = [(math.copysign(a, rng.random() - 0.5), math.copysign(b, rng.random() - 0.5)) for a, b in pairs]
    a, b = (array.array(CODES[t], x) for x in zip(*pairs))
    for isa in library:
        got = {f: run(library, f"{f}_{t}", [t, t], t, a, b, isa=isa) for f in QUOTIENTS}
        want = [math.fmod(x, y) if abs(x) < inf and y else nan for x, y in zip(a, b)]
        assert [(x, y, g, w) for x, y, g, w in zip(a, b, got["fmod_near"], want) if g != w and w == w] == []
        for f in QUOTIENTS:
            long_way = bits(run(library, f"{f[:-5]}_{t}", [t, t], t, a, b, isa=isa))
            assert [(x, y) for x, y, g, w in zip(a, b, bits(got[f]), long_way) if g != w] == []


def test_near_integer_quotients(library):
    rng, most = random.Random(3), 2**51 - 1
    pairs = [(a, b) for a in (-most, -7, 0, 7, most) for b in (-most, -3, -1, 1, 2, most)]
    for _ in range(20000):
        b, q = rng.getrandbits(rng.randint(1, 50)) + 1, rng.getrandbits(rng.randint(1, 50))
        a = rng.choice([min(b * q, most) + rng.choice([-1, 0]), rng.getrandbits(51)])
        pairs.append((rng.choice([a, -a]), rng.choice([b, -b])))
    for isa in library:
        for name, want in (("floordiv", lambda x, y: x // y), ("mod", lambda x, y: x % y)):
            got = run(library, f"{name}_near_i64", ["i64", "i64"], "i64", *zip(*pairs), isa=isa)
            assert [(p, g) for p, g in zip(pairs, got) if g != want(*p)] == []


def test_half(library):
    every = range(1 << 16)
    for isa in library:
        got = run(library, "half_to_float", ["u16"], "f32", every, isa=isa)
        want = array.array("f", [struct.unpack("e", struct.pack("H", h))[0] for h in every])
        assert bits(got) == bits(want)
        assert list(run(library, "float_to_half", ["f32"], "u16", got, isa=isa)) == [
            h | 0x200 if h & 0x7c00 == 0x7c00 and h & 0x3ff else h for h in every]
        ties = (1, 1 + 2**-11, 1 + 3 * 2**-11, 1 + 2**-11 + 2**-23)
        xs = arguments("f32", "half") + [m * 2.0**e for e in range(-26, 16) for m in ties]
        xs = [x for x in xs if abs(x) < 65520]
        want = [struct.unpack("H", struct.pack("e", x))[0] for x in xs]
        assert list(run(library, "float_to_half", ["f32"], "u16", xs, isa=isa)) == want
        big = [65519.996, 65520, -65520, 1e30, inf, -inf]
        assert list(run(library, "float_to_half", ["f32"], "u16", big, isa=isa)) == [
            0x7bff, 0x7c00, 0xfc00, 0x7c00, 0x7c00, 0xfc00]


def test_bf16(library):
    every = range(1 << 16)
    for isa in library:
        got = run(library, "bf16_to_float", ["u16"], "f32", every, isa=isa)
        assert list(array.array("I", got.tobytes())) == [h << 16 for h in every]
        back = run(library, "float_to_bf16", ["f32"], "u16", got, isa=isa)
        assert list(back) == [h | 0x40 if h & 0x7fff > 0x7f80 else h for h in every]
        rng = random.Random(5)
        raw = [rng.getrandbits(32) for _ in range(5000)]
        raw += [0x3f808000, 0x3f818000, 0x3f808001, 0x7f7fffff]
        raw = [u for u in raw if u & 0x7fffffff <= 0x7f800000]
        xs = array.array("f", array.array("I", raw).tobytes())
        want = [(u + 0x7fff + (u >> 16 & 1)) >> 16 & 0xffff for u in raw]
        assert list(run(library, "float_to_bf16", ["f32"], "u16", xs, isa=isa)) == want
