"""Layers whose number of inputs is that of their first input.

Source: torch.nn.modules.linear, conv, batchnorm and instancenorm. Each has the arguments of the
layer it becomes, but the number of inputs.
"""
from __future__ import annotations

import flambeau
from flambeau.nn.modules.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d, _NormBase
from flambeau.nn.modules.conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)
from flambeau.nn.modules.instancenorm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from flambeau.nn.modules.lazy import LazyModuleMixin
from flambeau.nn.modules.linear import Linear
from flambeau.nn.parameter import UninitializedBuffer, UninitializedParameter

TYPE_CHECKING = False  # a type checker reads what follows; no program does
if TYPE_CHECKING:
    from flambeau.nn.common_types import _size_any_t

__all__ = [
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
    "LazyLinear",
]


class LazyLinear(LazyModuleMixin, Linear):
    """A Linear whose in_features is the last size of its first input."""

    cls_to_become = Linear

    def __init__(self, out_features, bias=True, device=None, dtype=None):
        super().__init__(0, 0, False)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_features = out_features
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self):
        if not self.has_uninitialized_params() and self.in_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input):
        if self.has_uninitialized_params():
            with flambeau.no_grad():
                self.in_features = input.shape[-1]
                self.weight.materialize((self.out_features, self.in_features))
                if self.bias is not None:
                    self.bias.materialize((self.out_features,))
                self.reset_parameters()
        if self.in_features == 0:  # The parameters were loaded.
            if input.shape[-1] != self.weight.shape[-1]:
                raise AssertionError(
                    f"The in_features inferred from input: {input.shape[-1]} is not equal to"
                    f" in_features from self.weight: {self.weight.shape[-1]}"
                )
            self.in_features = input.shape[-1]


class _LazyConvNd(LazyModuleMixin):
    """A convolution whose in_channels is its first input's: (N, C, *) or (C, *)."""

    def _wait(self, out_channels, bias, device, dtype):
        """After a construction without channels: the parameters wait for their shapes."""
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self):
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()

    def initialize_parameters(self, input, *args, **kwargs):
        if not self.has_uninitialized_params():
            return
        self.in_channels = self._channels(input)
        if self.in_channels % self.groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        rows, columns = self.out_channels, self.in_channels
        if self.transposed:
            rows, columns = columns, rows
        self.weight.materialize((rows, columns // self.groups, *self.kernel_size))
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()

    def _channels(self, input):
        unbatched = len(self.kernel_size) + 1
        if input.dim() not in (unbatched, unbatched + 1):
            raise RuntimeError(
                f"Expected {unbatched}D (unbatched) or {unbatched + 1}D (batched) input to"
                f" {type(self).__name__}, but got input of size: {input.shape}"
            )
        return input.shape[input.dim() - unbatched]


class _LazyConvolution(_LazyConvNd):
    def __init__(self, out_channels, kernel_size, stride: _size_any_t = 1,
                 padding: str | _size_any_t = 0, dilation: _size_any_t = 1, groups=1, bias=True,
                 padding_mode="zeros", device=None, dtype=None):
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode,
                         device, dtype)
        self._wait(out_channels, bias, device, dtype)


class _LazyConvTranspose(_LazyConvNd):
    def __init__(self, out_channels, kernel_size, stride: _size_any_t = 1, padding: _size_any_t = 0,
                 output_padding: _size_any_t = 0, groups=1, bias=True, dilation: _size_any_t = 1,
                 padding_mode="zeros", device=None, dtype=None):
        super().__init__(0, 0, kernel_size, stride, padding, output_padding, groups, False,
                         dilation, padding_mode, device, dtype)
        self._wait(out_channels, bias, device, dtype)


class _LazyNorm(LazyModuleMixin, _NormBase):
    """A normalisation whose num_features is the size of its first input's second dimension."""

    def __init__(self, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, device=None,
                 dtype=None, *, bias=True):
        super().__init__(0, eps, momentum, False, False, device, dtype, bias=False)
        self.affine, self.track_running_stats = affine, track_running_stats
        if affine:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
            if bias:
                self.bias = UninitializedParameter(device=device, dtype=dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = flambeau.tensor(0, dtype=flambeau.int64, device=device)

    def reset_parameters(self):
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input):
        if not self.has_uninitialized_params():
            return
        self.num_features = input.shape[1]
        waiting = [self.weight, self.bias] if self.affine else []
        if self.track_running_stats:
            waiting += [self.running_mean, self.running_var]
        for value in waiting:
            if value is not None:
                value.materialize((self.num_features,))
        self.reset_parameters()


def _lazy(base, layer):
    """The lazy class that becomes `layer`."""
    text = f"A {layer.__name__} that learns its number of inputs from its first input."
    return type("Lazy" + layer.__name__, (base, layer),
                {"__doc__": text, "__module__": __name__, "cls_to_become": layer})


LazyConv1d = _lazy(_LazyConvolution, Conv1d)
LazyConv2d = _lazy(_LazyConvolution, Conv2d)
LazyConv3d = _lazy(_LazyConvolution, Conv3d)
LazyConvTranspose1d = _lazy(_LazyConvTranspose, ConvTranspose1d)
LazyConvTranspose2d = _lazy(_LazyConvTranspose, ConvTranspose2d)
LazyConvTranspose3d = _lazy(_LazyConvTranspose, ConvTranspose3d)
LazyBatchNorm1d = _lazy(_LazyNorm, BatchNorm1d)
LazyBatchNorm2d = _lazy(_LazyNorm, BatchNorm2d)
LazyBatchNorm3d = _lazy(_LazyNorm, BatchNorm3d)
LazyInstanceNorm1d = _lazy(_LazyNorm, InstanceNorm1d)
LazyInstanceNorm2d = _lazy(_LazyNorm, InstanceNorm2d)
LazyInstanceNorm3d = _lazy(_LazyNorm, InstanceNorm3d)
