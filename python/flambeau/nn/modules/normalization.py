"""Normalisation over features (source: torch.nn.modules.normalization)."""
from __future__ import annotations

import flambeau
from flambeau._C import layer_forward
from flambeau.autograd import Function
from flambeau.nn import functional as F
from flambeau.nn import init
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter

__all__ = ["CrossMapLRN2d", "GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


class LocalResponseNorm(Module):
    """Divides every channel by a power of the mean square of its neighbours."""

    __constants__ = ["size", "alpha", "beta", "k"]

    def __init__(self, size, alpha=1e-4, beta=0.75, k=1.0):
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input):
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self):
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(Module):
    """LocalResponseNorm of input (N, C, H, W) as Torch7 had it: with size 5 a channel's neighbours
    are two on each side and, beyond those, the first of all; its gradient looks at three before and
    one behind. ValueError for other dims.
    """

    def __init__(self, size, alpha=1e-4, beta=0.75, k=1):
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input):
        if input.dim() != 4:
            raise ValueError(
                f"CrossMapLRN2d: Expected input to be 4D, got {input.dim()}D instead."
            )
        return _CrossMap.apply(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self):
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class _CrossMap(Function):
    """input times scale ** -beta, where scale is k and alpha times the neighbours' mean square."""

    @staticmethod
    def forward(ctx, input, size, alpha, beta, k):
        squares, side = input.square(), int((size - 1) / 2)
        scale = _sums_of_channels(squares, side, side)
        scale[:, side + 1:] += squares[:, :1]
        scale = scale * (alpha / size) + k
        output = scale.pow(-beta) * input
        ctx.save_for_backward(input, output, scale)
        ctx.settings = size, alpha, beta
        return output

    @staticmethod
    def backward(ctx, g):
        input, output, scale = ctx.saved_tensors
        size, alpha, beta = ctx.settings
        before = int(size - (size - 1) / 2)
        ratios = _sums_of_channels(g * output / scale, before, size - 1 - before)
        grad = scale.pow(-beta) * g - 2 * alpha * beta / size * input * ratios
        return grad, None, None, None, None


def _sums_of_channels(x, before, behind):
    """x with each channel summed with its neighbours, of which there are none beyond the ends."""
    return F.pad(x, (0, 0, 0, 0, before, behind)).unfold(1, before + 1 + behind, 1).sum(-1)


class _Affine(Module):
    """weight and bias of a shape, or None."""

    def _make(self, shape, weight, bias, device, dtype):
        for name, wanted in (("weight", weight), ("bias", bias)):
            self.register_parameter(
                name,
                Parameter(flambeau.empty(shape, device=device, dtype=dtype)) if wanted else None,
            )
        self.reset_parameters()

    def reset_parameters(self):
        """Weights 1, biases 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class LayerNorm(_Affine):
    """Normalises over the last dimensions, which have normalized_shape; weight and bias have it
    too."""

    __constants__ = ["normalized_shape", "eps", "elementwise_affine"]

    def __init__(
        self,
        normalized_shape,
        eps=1e-5,
        elementwise_affine=True,
        bias=True,
        device=None,
        dtype=None,
    ):
        super().__init__()
        self.normalized_shape = _shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self._make(
            self.normalized_shape, elementwise_affine, elementwise_affine and bias, device, dtype
        )

    forward = layer_forward("layer_norm", "normalized_shape", "weight", "bias", "eps")

    def extra_repr(self):
        return (
            f"{self.normalized_shape}, eps={self.eps},"
            f" elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class GroupNorm(_Affine):
    """Normalises (N, C, *) over groups of channels; weight and bias (C)."""

    __constants__ = ["num_groups", "num_channels", "eps", "affine"]

    def __init__(
        self, num_groups, num_channels, eps=1e-5, affine=True, device=None, dtype=None, *, bias=True
    ):
        super().__init__()
        if num_channels % num_groups != 0:
            raise ValueError(
                f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})"
            )
        self.num_groups, self.num_channels, self.eps, self.affine = (
            num_groups,
            num_channels,
            eps,
            affine,
        )
        self._make(num_channels, affine, affine and bias, device, dtype)

    forward = layer_forward("group_norm", "num_groups", "weight", "bias", "eps")

    def extra_repr(self):
        return (f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
                f"bias={self.bias is not None}")


class RMSNorm(Module):
    """Divides by the root of the mean of squares over the last dimensions, times weight."""

    __constants__ = ["normalized_shape", "eps", "elementwise_affine"]

    def __init__(
        self, normalized_shape, eps=None, elementwise_affine=True, device=None, dtype=None
    ):
        super().__init__()
        self.normalized_shape = _shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        shape = self.normalized_shape
        self.register_parameter(
            "weight",
            (
                Parameter(flambeau.empty(shape, device=device, dtype=dtype))
                if elementwise_affine
                else None
            ),
        )
        self.reset_parameters()

    def reset_parameters(self):
        """Weights 1."""
        if self.elementwise_affine:
            init.ones_(self.weight)

    def forward(self, x):
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self):
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


def _shape(shape):
    return tuple(shape) if hasattr(shape, "__iter__") else (shape,)
