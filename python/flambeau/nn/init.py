"""Initial values of parameters, with the same draws as PyTorch (source: torch.nn.init).

Every function that ends in _ fills the given tensor, without recording it, and returns it.
"""
from __future__ import annotations

import math

import flambeau

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_LINEAR = (
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
)


def _warn(message, kind=UserWarning):
    import warnings
    warnings.warn(message, kind, stacklevel=3)


def calculate_gain(nonlinearity, param=None):
    """The factor by which an activation shrinks a standard deviation; param is leaky_relu's slope
    (0.01)."""
    if nonlinearity in _LINEAR or nonlinearity == "sigmoid":
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "selu":
        return 3.0 / 4
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope ** 2))
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def _calculate_fan_in_and_fan_out(tensor):
    """(inputs of one output, outputs of one input) of a weight (out, in, *kernel)."""
    if tensor.dim() < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        )
    kernel = math.prod(tensor.shape[2:])
    return tensor.size(1) * kernel, tensor.size(0) * kernel


def _calculate_correct_fan(tensor, mode):
    modes = ["fan_in", "fan_out"]
    if mode.lower() not in modes:
        raise ValueError(f"Mode {mode.lower()} not supported, please use one of {modes}")
    return _calculate_fan_in_and_fan_out(tensor)[modes.index(mode.lower())]


def uniform_(tensor, a=0.0, b=1.0, generator=None):
    """Uniform over [a, b)."""
    with flambeau.no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor, mean=0.0, std=1.0, generator=None):
    """Normal with that mean and standard deviation."""
    with flambeau.no_grad():
        return tensor.normal_(mean, std, generator=generator)


def constant_(tensor, val):
    """val everywhere."""
    with flambeau.no_grad():
        return tensor.fill_(val)


def ones_(tensor):
    """Ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor):
    """Zeros."""
    with flambeau.no_grad():
        return tensor.zero_()


def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None):
    """Normal with that mean and standard deviation, values outside [a, b] drawn again."""
    if tensor.is_meta:
        return tensor
    if mean < a - 2 * std or mean > b + 2 * std:
        _warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of"
            " values may be incorrect."
        )

    def below(x):
        return (1.0 + math.erf((x - mean) / std / math.sqrt(2.0))) / 2.0
    with flambeau.no_grad():
        if below(b) - below(a) > 0.3:
            _redraw_normal(tensor, mean, std, a, b, generator)
        else:
            _reject_uniform(tensor, mean, std, a, b, generator)
    return tensor


def _redraw_normal(tensor, mean, std, a, b, generator):
    """Most draws fall into [a, b]: normal draws, and new ones for those that do not."""
    low, high = (
        tensor.new_tensor(bound).item() for bound in (a, b)
    )  # as the tensor's dtype rounds them
    result = tensor.normal_(mean, std, generator=generator)
    while True:
        outside = (result < low) | (result > high)
        if not outside.any():
            break
        again = flambeau.empty_like(result).normal_(mean, std, generator=generator)
        result = flambeau.where(outside, again, result)
    if result is not tensor:
        tensor.copy_(result)


def _reject_uniform(tensor, mean, std, a, b, generator):
    """Few would: uniform draws over [a, b], each kept with the probability that the density has
    there."""
    mode = max(a, min(mean, b))
    log_peak = -0.5 * ((mode - mean) / std) ** 2

    def log_density(x):
        return x.sub_(mean).div_(std).pow_(2).mul_(-0.5).sub_(log_peak)
    tensor.uniform_(a, b, generator=generator)
    candidates, chance = flambeau.empty_like(tensor), flambeau.empty_like(tensor)
    log_density(candidates.copy_(tensor))
    pending = chance.uniform_(generator=generator).log_().gt(candidates)
    result = tensor
    while pending.any():
        candidates.uniform_(a, b, generator=generator)
        result = flambeau.where(pending, candidates, result)
        log_density(candidates)
        again = chance.uniform_(generator=generator).log_().gt(candidates)
        pending = flambeau.where(pending, again, pending)
    if result is not tensor:
        tensor.copy_(result)


def eye_(tensor):
    """The identity matrix, as far as the shape goes."""
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with flambeau.no_grad():
        return tensor.copy_(flambeau.eye(*tensor.shape))


def dirac_(tensor, groups=1):
    """A convolution's weight (out, in, *kernel) that hands as many channels through as there are.
    """
    if tensor.dim() not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.size(0) % groups != 0:
        raise ValueError("dim 0 must be divisible by groups")
    share = tensor.size(0) // groups
    centre = tuple(size // 2 for size in tensor.shape[2:])
    with flambeau.no_grad():
        tensor.zero_()
        for group in range(groups):
            for channel in range(min(share, tensor.size(1))):
                tensor[(group * share + channel, channel, *centre)] = 1
    return tensor


def xavier_uniform_(tensor, gain=1.0, generator=None):
    """Uniform with variance gain² 2 / (fan_in + fan_out) (Glorot and Bengio, 2010)."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    bound = math.sqrt(3.0) * (gain * math.sqrt(2.0 / float(fan_in + fan_out)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor, gain=1.0, generator=None):
    """Normal with variance gain² 2 / (fan_in + fan_out) (Glorot and Bengio, 2010)."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / float(fan_in + fan_out)), generator)


def _kaiming_std(tensor, a, mode, nonlinearity):
    """The standard deviation gain / sqrt(fan); None, with a warning, for a tensor without elements.
    """
    if 0 in tensor.shape:
        _warn("Initializing zero-element tensors is a no-op")
        return None
    return calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))


def kaiming_uniform_(tensor, a: float = 0, mode="fan_in", nonlinearity="leaky_relu",
                     generator=None):
    """Uniform with variance gain² / fan (He et al., 2015)."""
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(tensor, a: float = 0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Normal with variance gain² / fan (He et al., 2015)."""
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else normal_(tensor, 0, std, generator)


def orthogonal_(tensor, gain: float = 1, generator=None):
    """A (semi-)orthogonal matrix times gain; dimensions after the first are flattened (Saxe et al.,
    2013)."""
    if tensor.dim() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.size(0)
    cols = tensor.numel() // rows
    with flambeau.no_grad():
        flat = tensor.new_empty((rows, cols)).normal_(0, 1, generator=generator)
        q, r = flambeau.linalg.qr(flat.t() if rows < cols else flat)
        q = q * flambeau.diagonal(r).sign()  # makes the distribution uniform
        tensor.copy_((q.t() if rows < cols else q).reshape(tensor.shape))
        return tensor.mul_(gain)


def sparse_(tensor, sparsity, std=0.01, generator=None):
    """Normal draws, with that fraction of every column set to zero (Martens, 2010)."""
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, cols = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with flambeau.no_grad():
        tensor.normal_(0, std, generator=generator)
        for col in range(cols):
            tensor[flambeau.randperm(rows)[:zeros], col] = 0
    return tensor


def _deprecated(function):
    new = function.__name__
    old = new[:-1]

    def renamed(*args, **kwargs):
        _warn(f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.", FutureWarning)
        return function(*args, **kwargs)
    renamed.__name__, renamed.__doc__ = old, f"The old name of {new}."
    return renamed


(
    uniform,
    normal,
    constant,
    eye,
    dirac,
    xavier_uniform,
    xavier_normal,
    kaiming_uniform,
    kaiming_normal,
    orthogonal,
    sparse,
) = map(
    _deprecated,
    (
        uniform_,
        normal_,
        constant_,
        eye_,
        dirac_,
        xavier_uniform_,
        xavier_normal_,
        kaiming_uniform_,
        kaiming_normal_,
        orthogonal_,
        sparse_,
    ),
)
