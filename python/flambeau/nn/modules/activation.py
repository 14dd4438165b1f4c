"""Activations (source: torch.nn.modules.activation)."""
from __future__ import annotations

import flambeau
from flambeau._C import layer_forward
from flambeau.nn import functional as F
from flambeau.nn import init as _init
from flambeau.nn.modules.attention import MultiheadAttention  # noqa: F401  PyTorch has it here
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class _Inplace(Module):
    """An activation whose only setting is whether it overwrites its input."""

    __constants__ = ["inplace"]

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace

    def extra_repr(self):
        return "inplace=True" if self.inplace else ""


def _and_inplace(module):
    """The end of the extra_repr of an activation with other settings."""
    return ", inplace=True" if module.inplace else ""


class ReLU(_Inplace):
    """max(x, 0)."""

    forward = layer_forward("relu", "inplace")


class SiLU(_Inplace):
    """x sigmoid(x)."""

    forward = layer_forward("silu", "inplace")


class Mish(_Inplace):
    """x tanh(softplus(x))."""

    forward = layer_forward("mish", "inplace")


class SELU(_Inplace):
    """ELU with the scale and alpha that keep mean 0 and variance 1."""

    forward = layer_forward("selu", "inplace")


class Hardsigmoid(_Inplace):
    """x / 6 + 1/2, held between 0 and 1."""

    extra_repr = Module.extra_repr

    forward = layer_forward("hardsigmoid", "inplace")


class Hardswish(_Inplace):
    """x hardsigmoid(x)."""

    extra_repr = Module.extra_repr

    forward = layer_forward("hardswish", "inplace")


class Threshold(Module):
    """x where it is above threshold, else value."""

    __constants__ = ["threshold", "value", "inplace"]

    def __init__(self, threshold, value, inplace=False):
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    forward = layer_forward("threshold", "threshold", "value", "inplace")

    def extra_repr(self):
        return f"threshold={self.threshold}, value={self.value}{_and_inplace(self)}"


class RReLU(Module):
    """leaky_relu whose slope is drawn while training."""

    __constants__ = ["lower", "upper", "inplace"]

    def __init__(self, lower=1.0 / 8, upper=1.0 / 3, inplace=False):
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input):
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self):
        return f"lower={self.lower}, upper={self.upper}{_and_inplace(self)}"


class Hardtanh(Module):
    """x held between min_val and max_val."""

    __constants__ = ["min_val", "max_val", "inplace"]

    def __init__(self, min_val=-1.0, max_val=1.0, inplace=False, min_value=None, max_value=None):
        super().__init__()
        for old, value in (("min", min_value), ("max", max_value)):
            if value is not None:
                import warnings
                warnings.warn(
                    f"keyword argument `{old}_value` is deprecated and renamed to `{old}_val`",
                    FutureWarning,
                    stacklevel=2,
                )
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if self.max_val <= self.min_val:
            raise AssertionError(
                f"max_val ({self.max_val}) must be greater than min_val ({self.min_val})"
            )

    forward = layer_forward("hardtanh", "min_val", "max_val", "inplace")

    def extra_repr(self):
        return f"min_val={self.min_val}, max_val={self.max_val}{_and_inplace(self)}"


class ReLU6(Hardtanh):
    """x held between 0 and 6."""

    def __init__(self, inplace=False):
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self):
        return "inplace=True" if self.inplace else ""


class _Alpha(Module):
    __constants__ = ["alpha", "inplace"]

    def __init__(self, alpha=1.0, inplace=False):
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def extra_repr(self):
        return f"alpha={self.alpha}{_and_inplace(self)}"


class ELU(_Alpha):
    """x where positive, else alpha (exp(x) - 1)."""

    forward = layer_forward("elu", "alpha", "inplace")


class CELU(_Alpha):
    """x where positive, else alpha (exp(x / alpha) - 1)."""

    forward = layer_forward("celu", "alpha", "inplace")


class LeakyReLU(Module):
    """x where positive, else negative_slope x."""

    __constants__ = ["inplace", "negative_slope"]

    def __init__(self, negative_slope=0.01, inplace=False):
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    forward = layer_forward("leaky_relu", "negative_slope", "inplace")

    def extra_repr(self):
        return f"negative_slope={self.negative_slope}{_and_inplace(self)}"


class PReLU(Module):
    """x where positive, else weight x; weight has one element or one for each channel."""

    __constants__ = ["num_parameters"]

    def __init__(self, num_parameters=1, init=0.25, device=None, dtype=None):
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(flambeau.empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self):
        """Fills with init."""
        _init.constant_(self.weight, self.init)

    forward = layer_forward("prelu", "weight")

    def extra_repr(self):
        return f"num_parameters={self.num_parameters}"


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    forward = layer_forward("sigmoid")


class Tanh(Module):
    """tanh(x)."""

    forward = layer_forward("tanh")


class LogSigmoid(Module):
    """log(sigmoid(x))."""

    forward = layer_forward("logsigmoid")


class Softsign(Module):
    """x / (1 + |x|)."""

    forward = layer_forward("softsign")


class Tanhshrink(Module):
    """x - tanh(x)."""

    forward = layer_forward("tanhshrink")


class GELU(Module):
    """x Φ(x), or its approximation by tanh."""

    __constants__ = ["approximate"]

    def __init__(self, approximate="none"):
        super().__init__()
        self.approximate = approximate

    def forward(self, input):
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self):
        return f"approximate={self.approximate!r}"


class Softplus(Module):
    """log(1 + exp(beta x)) / beta; x itself where beta x is above threshold."""

    __constants__ = ["beta", "threshold"]

    def __init__(self, beta=1.0, threshold=20.0):
        super().__init__()
        self.beta, self.threshold = beta, threshold

    forward = layer_forward("softplus", "beta", "threshold")

    def extra_repr(self):
        return f"beta={self.beta}, threshold={self.threshold}"


class _Shrink(Module):
    __constants__ = ["lambd"]

    def __init__(self, lambd=0.5):
        super().__init__()
        self.lambd = lambd

    def extra_repr(self):
        return str(self.lambd)


class Hardshrink(_Shrink):
    """x where it is outside [-lambd, lambd], else 0."""

    forward = layer_forward("hardshrink", "lambd")


class Softshrink(_Shrink):
    """x moved towards 0 by lambd."""

    forward = layer_forward("softshrink", "lambd")


class GLU(Module):
    """a sigmoid(b), for the two halves of x along dim."""

    __constants__ = ["dim"]

    def __init__(self, dim=-1):
        super().__init__()
        self.dim = dim

    forward = layer_forward("glu", "dim")

    def extra_repr(self):
        return f"dim={self.dim}"


class _OverDim(Module):
    __constants__ = ["dim"]

    def __init__(self, dim=None):
        super().__init__()
        self.dim = dim

    def __setstate__(self, state):
        super().__setstate__(state)
        self.__dict__.setdefault("dim", None)

    def extra_repr(self):
        return f"dim={self.dim}"


class Softmax(_OverDim):
    """exp(x) divided by its sum over dim."""

    def forward(self, input):
        return F.softmax(input, self.dim, _stacklevel=5)


class Softmin(_OverDim):
    """Softmax of -x."""

    def forward(self, input):
        return F.softmin(input, self.dim, _stacklevel=5)


class LogSoftmax(_OverDim):
    """The logarithm of Softmax."""

    def forward(self, input):
        return F.log_softmax(input, self.dim, _stacklevel=5)


class Softmax2d(Module):
    """Softmax over the channels of (N, C, H, W) or (C, H, W)."""

    def forward(self, input):
        if input.dim() not in (3, 4):
            raise ValueError(
                f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead"
            )
        return F.softmax(input, -3, _stacklevel=5)
