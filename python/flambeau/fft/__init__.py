"""Discrete Fourier transforms (source: torch.fft): arguments read, the rest is three operators."""

import math

import flambeau as fl
from flambeau import _C
from flambeau.functional._arguments import check_input, wrap_dim

__all__ = (
    "fft fft2 fftfreq fftn fftshift hfft hfft2 hfftn ifft ifft2 ifftn ifftshift ihfft ihfft2 "
    "ihfftn irfft irfft2 irfftn rfft rfft2 rfftfreq rfftn"
).split()

_REAL_OF = {fl.complex64: fl.float32, fl.complex128: fl.float64}
_COMPLEX_OF = {real: whole for whole, real in _REAL_OF.items()}


def fft(input, n=None, dim=-1, norm=None, *, out=None):
    """The transform along dim, of n points (self padded with zeros or cut), complex."""
    return _c2c_1d("fft", input, n, dim, norm, True, out)


def ifft(input, n=None, dim=-1, norm=None, *, out=None):
    """The inverse of fft."""
    return _c2c_1d("ifft", input, n, dim, norm, False, out)


def rfft(input, n=None, dim=-1, norm=None, *, out=None):
    """fft of real numbers: the first n // 2 + 1, of which the others are conjugates."""
    return _r2c_1d("rfft", input, n, dim, norm, False, out)


def irfft(input, n=None, dim=-1, norm=None, *, out=None):
    """The inverse of rfft: n real numbers (default: an even number)."""
    return _c2r_1d("irfft", input, n, dim, norm, False, out)


def hfft(input, n=None, dim=-1, norm=None, *, out=None):
    """fft of a signal whose second half is the conjugate of its first, which is given: real."""
    return _c2r_1d("hfft", input, n, dim, norm, True, out)


def ihfft(input, n=None, dim=-1, norm=None, *, out=None):
    """The inverse of hfft."""
    return _r2c_1d("ihfft", input, n, dim, norm, True, out)


def fftn(input, s=None, dim=None, norm=None, *, out=None):
    """fft along several dims (default: all, or the last len(s)), of s points (-1: as they are)."""
    return _c2c_nd("fftn", input, s, dim, norm, True, out)


def ifftn(input, s=None, dim=None, norm=None, *, out=None):
    """The inverse of fftn."""
    return _c2c_nd("ifftn", input, s, dim, norm, False, out)


def rfftn(input, s=None, dim=None, norm=None, *, out=None):
    """rfft along the last of the dims, fft along the others."""
    return _r2c_nd("rfftn", input, s, dim, norm, False, out)


def irfftn(input, s=None, dim=None, norm=None, *, out=None):
    """The inverse of rfftn."""
    return _c2r_nd("irfftn", input, s, dim, norm, False, out)


def hfftn(input, s=None, dim=None, norm=None, *, out=None):
    """fft along all dims but the last, hfft along that one."""
    return _c2r_nd("hfftn", input, s, dim, norm, True, out)


def ihfftn(input, s=None, dim=None, norm=None, *, out=None):
    """The inverse of hfftn."""
    return _r2c_nd("ihfftn", input, s, dim, norm, True, out)


def fft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """fftn along the last two dims."""
    return fftn(input, s, dim, norm, out=out)


def ifft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """ifftn along the last two dims."""
    return ifftn(input, s, dim, norm, out=out)


def rfft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """rfftn along the last two dims."""
    return rfftn(input, s, dim, norm, out=out)


def irfft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """irfftn along the last two dims."""
    return irfftn(input, s, dim, norm, out=out)


def hfft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """hfftn along the last two dims."""
    return hfftn(input, s, dim, norm, out=out)


def ihfft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """ihfftn along the last two dims."""
    return ihfftn(input, s, dim, norm, out=out)


def fftfreq(n, d=1.0, *, out=None, **options):
    """The frequencies of fft's n numbers, d the time between points: (0, 1, ..., -1) / (n d)."""
    _check_frequencies("fftfreq", n, options)
    half = (n + 1) // 2
    steps = _C.cat((_C.arange(half, **options), _C.arange(half - n, 0, **options)))
    return _given(steps * (1.0 / (n * d)) if n else steps, out)


def rfftfreq(n, d=1.0, *, out=None, **options):
    """The frequencies of rfft's n // 2 + 1 numbers."""
    _check_frequencies("rfftfreq", n, options)
    return _given(_C.arange(n // 2 + 1, **options) * (1.0 / (n * d)), out)


def fftshift(input, dim=None):
    """input with frequency 0 moved to the middle of dim (default: of all dims)."""
    dims = _dims_to_shift("fft_fftshift", input, dim)
    return _C.roll(input, [input.size(d) // 2 for d in dims], dims)


def ifftshift(input, dim=None):
    """The inverse of fftshift."""
    dims = _dims_to_shift("fft_ifftshift", input, dim)
    return _C.roll(input, [(input.size(d) + 1) // 2 for d in dims], dims)


def _dims_to_shift(name, input, dim):
    check_input(name, input)
    if dim is None:
        return list(range(input.dim()))
    return [dim] if isinstance(dim, int) else list(dim)


def _check_frequencies(name, n, options):
    _check_int(name, "n", n)
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    if options.get("dtype") is None:
        options["dtype"] = fl.get_default_dtype()
    dtype = options["dtype"]
    if not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError(f"{name} requires a floating point or complex dtype")


def _given(result, out, name=None):
    """result, or out with its elements."""
    if out is None:
        return result
    if name is not None and out.dtype.is_complex != result.dtype.is_complex:
        kind = "complex" if result.dtype.is_complex else "floating point"
        raise RuntimeError(f"{name} expects a {kind} output tensor, but got {_title(out)}")
    return _C.conj_physical(result.conj(), out=out)


def _title(t):
    """The dtype as PyTorch's errors call it."""
    return t.type()[len("torch.") : -len("Tensor")]


def _inexact(input):
    """input as numbers that a transform takes: integers as the default dtype, no halves."""
    if input.dtype in _REAL_OF or input.dtype in _COMPLEX_OF:
        return input
    if not input.dtype.is_floating_point:
        return input.to(fl.get_default_dtype())
    if fl.is_autocast_enabled("cpu"):
        return input.to(fl.float32)
    raise RuntimeError(f"Unsupported dtype {_title(input)}")


def _complex(input):
    input = _inexact(input)
    return input.to(_COMPLEX_OF.get(input.dtype, input.dtype))


def _scale(norm, points, forward):
    """What a transform of so many points is multiplied with."""
    if norm is None or norm == "backward":
        return 1.0 if forward else 1.0 / points
    if norm == "ortho":
        return 1.0 / math.sqrt(points)
    if norm != "forward":
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    return 1.0 / points if forward else 1.0


def _check_int(name, what, value):
    if value is not None and not hasattr(value, "__index__"):
        kind = type(value).__name__
        raise TypeError(f"fft_{name}(): argument '{what}' must be int, not {kind}")


def _check_ints(name, what, value):
    listed = isinstance(value, (list, tuple)) and all(hasattr(v, "__index__") for v in value)
    if not (value is None or listed or hasattr(value, "__index__")):
        kind = type(value).__name__
        raise TypeError(f"fft_{name}(): argument '{what}' must be tuple of ints, not {kind}")


def _check_points(n):
    if n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")


def _resized(input, dims, sizes):
    """input with zeros after it, or cut, along dims to sizes (-1: as it is)."""
    pad = [0] * (2 * input.dim())
    for d, n in zip(dims, sizes):
        if n != -1:
            pad[2 * (input.dim() - 1 - d) + 1] = n - input.size(d)
    return _C.constant_pad_nd(input, pad) if any(pad) else input


def _dim_of(input, dim):
    if input.dim() == 0:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return wrap_dim(dim, input.dim())


def _c2c_1d(name, input, n, dim, norm, forward, out):
    check_input("fft_" + name, input)
    _check_int(name, "n", n)
    _check_int(name, "dim", dim)
    input = _complex(input)
    dim = _dim_of(input, dim)
    n = input.size(dim) if n is None else n
    _check_points(n)
    scale = _scale(norm, n, forward)
    return _given(_C._fft_c2c(_resized(input, (dim,), (n,)), [dim], scale, forward), out, name)


def _r2c_1d(name, input, n, dim, norm, inverse, out):
    check_input("fft_" + name, input)
    _check_int(name, "n", n)
    _check_int(name, "dim", dim)
    if input.dtype.is_complex:
        raise RuntimeError(f"{name} expects a real input tensor, but got {_title(input)}")
    input = _inexact(input)
    dim = _dim_of(input, dim)
    n = input.size(dim) if n is None else n
    _check_points(n)
    scale = _scale(norm, n, not inverse)
    y = _C._fft_r2c(_resized(input, (dim,), (n,)), [dim], scale, True)
    return _given(y.conj() if inverse else y, out, name)


def _c2r_1d(name, input, n, dim, norm, forward, out):
    check_input("fft_" + name, input)
    _check_int(name, "n", n)
    _check_int(name, "dim", dim)
    input = _complex(input)
    dim = _dim_of(input, dim)
    n = 2 * (input.size(dim) - 1) if n is None else n
    _check_points(n)
    scale = _scale(norm, n, forward)
    input = _resized(input, (dim,), (n // 2 + 1,))
    return _given(_C._fft_c2r(input.conj() if forward else input, [dim], scale, n), out, name)


def _dims_and_sizes(input, s, dim):
    """The dims of a transform of several, from the front, and the points of each (-1: all)."""
    s = [s] if isinstance(s, int) else s
    dim = [dim] if isinstance(dim, int) else dim
    if dim is not None:
        dims = [wrap_dim(d, input.dim()) for d in dim]
        if len(set(dims)) < len(dims):
            raise RuntimeError("FFT dims must be unique")
    if s is None:
        dims = list(range(input.dim())) if dim is None else dims
        return dims, [input.size(d) for d in dims] if input.dim() else []
    s = list(s)
    if dim is None:
        if len(s) > input.dim():
            raise RuntimeError(
                f"Got shape with {len(s)} values but input tensor only has {input.dim()} "
                "dimensions."
            )
        dims = list(range(input.dim() - len(s), input.dim()))
    elif len(s) != len(dims):
        raise RuntimeError(
            "When given, dim and shape arguments must have the same length"
        )
    return dims, [input.size(d) if n == -1 else n for d, n in zip(dims, s)]


def _c2c_nd(name, input, s, dim, norm, forward, out):
    check_input("fft_" + name, input)
    _check_ints(name, "s", s)
    _check_ints(name, "dim", dim)
    input = _complex(input)
    dims, sizes = _dims_and_sizes(input, s, dim)
    for n in sizes:
        _check_points(n)
    scale = _scale(norm, math.prod(sizes), forward)
    input = _resized(input, dims, sizes)
    y = _C._fft_c2c(input, dims, scale, forward) if dims else input.clone()
    return _given(y, out, name)


def _r2c_nd(name, input, s, dim, norm, inverse, out):
    check_input("fft_" + name, input)
    _check_ints(name, "s", s)
    _check_ints(name, "dim", dim)
    if input.dtype.is_complex:
        if inverse:
            raise RuntimeError(
                f"Only supports floating-point dtypes, but found: {_title(input)}"
            )
        raise RuntimeError(
            f"{name} expects a real-valued input tensor, but got {_title(input)}"
        )
    input = _inexact(input)
    dims, sizes = _dims_and_sizes(input, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    for n in sizes:
        _check_points(n)
    scale = _scale(norm, math.prod(sizes), not inverse)
    y = _C._fft_r2c(_resized(input, dims, sizes), dims, scale, True)
    return _given(y.conj() if inverse else y, out, name)


def _c2r_nd(name, input, s, dim, norm, forward, out):
    check_input("fft_" + name, input)
    _check_ints(name, "s", s)
    _check_ints(name, "dim", dim)
    input = _complex(input)
    dims, sizes = _dims_and_sizes(input, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    if s is None or (s if isinstance(s, int) else list(s)[-1]) == -1:
        sizes[-1] = 2 * (input.size(dims[-1]) - 1)
    for n in sizes:
        _check_points(n)
    scale = _scale(norm, math.prod(sizes), forward)
    input = _resized(input, dims, [*sizes[:-1], sizes[-1] // 2 + 1])
    y = _C._fft_c2r(input.conj() if forward else input, dims, scale, sizes[-1])
    return _given(y, out, name)
