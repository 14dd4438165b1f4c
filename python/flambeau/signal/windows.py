"""Window functions of M points (source: torch.signal.windows).

sym: symmetric; else one period of a window that is a point longer. Other keywords are those of
torch.ones.
"""

import math

from flambeau import _C

__all__ = [
    "bartlett",
    "blackman",
    "cosine",
    "exponential",
    "gaussian",
    "general_cosine",
    "general_hamming",
    "hamming",
    "hann",
    "kaiser",
    "nuttall",
]


def _checked(name, M, dtype, layout):
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if layout is not _C.strided:
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    dtype = _C.get_default_dtype() if dtype is None else dtype
    if dtype not in (_C.float32, _C.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
    return dtype


def _window(name):
    """Wraps a function of (M, sym, dtype, device, ...) that may assume M > 0."""

    def decorate(function):
        def window(M, *args, sym=True, dtype=None, layout=_C.strided, device=None,
                   requires_grad=False, **kwargs):
            dtype = _checked(name, M, dtype, layout)
            if M == 0:
                return _C.empty((0,), dtype=dtype, device=device, requires_grad=requires_grad)
            made = function(M, sym, dtype, device, *args, **kwargs)
            return made.requires_grad_() if requires_grad else made

        window.__name__ = window.__qualname__ = name
        window.__doc__ = function.__doc__
        return window

    return decorate


@_window("exponential")
def exponential(M, sym, dtype, device, *, center=None, tau=1.0):
    """exp(-|n - center| / tau); center: the middle, the only one of a symmetric window."""
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")
    if center is None:
        center = (M if not sym and M > 1 else M - 1) / 2.0
    step = 1 / tau
    k = _C.linspace(-center * step, (-center + (M - 1)) * step, M, dtype=dtype, device=device)
    return _C.exp(-_C.abs(k))


@_window("cosine")
def cosine(M, sym, dtype, device):
    """sin(pi (n + 1/2) / M)."""
    start, step = 0.5, math.pi / (M + 1 if not sym and M > 1 else M)
    k = _C.linspace(start * step, (start + (M - 1)) * step, M, dtype=dtype, device=device)
    return _C.sin(k)


@_window("gaussian")
def gaussian(M, sym, dtype, device, *, std=1.0):
    """exp(-(n - middle)^2 / (2 std^2))."""
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    start = -(M if not sym and M > 1 else M - 1) / 2.0
    step = 1 / (std * math.sqrt(2))
    k = _C.linspace(start * step, (start + (M - 1)) * step, M, dtype=dtype, device=device)
    return _C.exp(-(k**2))


@_window("kaiser")
def kaiser(M, sym, dtype, device, *, beta=12.0):
    """i0(beta sqrt(1 - x^2)) / i0(beta), x from -1 to 1."""
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    if M == 1:
        return _C.ones((1,), dtype=dtype, device=device)
    top = _C.tensor(beta, dtype=dtype, device=device)
    step = 2.0 * beta / (M if not sym else M - 1)
    last = _C.minimum(top, -top + (M - 1) * step)
    k = _C.linspace(-beta, last.item(), M, dtype=dtype, device=device)
    return _C.i0(_C.sqrt(top * top - k**2)) / _C.i0(top)


def _general_cosine(M, sym, dtype, device, a):
    if M == 1:
        return _C.ones((1,), dtype=dtype, device=device)
    if not isinstance(a, (list, tuple)) and not hasattr(a, "__iter__"):
        raise TypeError("Coefficients must be a list/tuple")
    if not a:
        raise ValueError("Coefficients cannot be empty")
    step = 2 * math.pi / (M if not sym else M - 1)
    k = _C.linspace(0, (M - 1) * step, M, dtype=dtype, device=device)
    signed = _C.tensor([(-1) ** i * w for i, w in enumerate(a)], dtype=dtype, device=device)
    order = _C.arange(len(a), dtype=dtype, device=device)
    return (signed.unsqueeze(-1) * _C.cos(order.unsqueeze(-1) * k)).sum(0)


@_window("general_cosine")
def general_cosine(M, sym, dtype, device, *, a):
    """The sum of (-1)^i a[i] cos(2 pi i n / (M - 1))."""
    return _general_cosine(M, sym, dtype, device, a)


@_window("general_hamming")
def general_hamming(M, sym, dtype, device, *, alpha=0.54):
    """alpha - (1 - alpha) cos(2 pi n / (M - 1))."""
    return _general_cosine(M, sym, dtype, device, [alpha, 1.0 - alpha])


@_window("hamming")
def hamming(M, sym, dtype, device):
    """general_hamming with alpha 0.54."""
    return _general_cosine(M, sym, dtype, device, [0.54, 0.46])


@_window("hann")
def hann(M, sym, dtype, device):
    """general_hamming with alpha 0.5."""
    return _general_cosine(M, sym, dtype, device, [0.5, 0.5])


@_window("blackman")
def blackman(M, sym, dtype, device):
    """general_cosine of 0.42, 0.5, 0.08."""
    return _general_cosine(M, sym, dtype, device, [0.42, 0.5, 0.08])


@_window("nuttall")
def nuttall(M, sym, dtype, device):
    """general_cosine of the four terms of Nuttall's minimum 4-term window."""
    return _general_cosine(M, sym, dtype, device, [0.3635819, 0.4891775, 0.1365995, 0.0106411])


@_window("bartlett")
def bartlett(M, sym, dtype, device):
    """1 - |2 n / (M - 1) - 1|."""
    if M == 1:
        return _C.ones((1,), dtype=dtype, device=device)
    step = 2 / (M if not sym else M - 1)
    k = _C.linspace(-1, -1 + (M - 1) * step, M, dtype=dtype, device=device)
    return 1 - _C.abs(k)
