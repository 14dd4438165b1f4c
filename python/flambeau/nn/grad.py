"""The gradients of convolutions, as functions (source: torch.nn.grad)."""
from __future__ import annotations

import flambeau
from flambeau.nn import functional as F

__all__ = [
    "conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight", "conv3d_input", "conv3d_weight",
]


def _gradient(conv, wanted, input, weight, grad_output, options):
    """That of the sum of grad_output * conv(input, weight) by one of the two; it can be derived by
    the other and by grad_output."""
    with flambeau.enable_grad():
        again = grad_output.requires_grad or input.requires_grad or weight.requires_grad
        wanted.requires_grad_()
        y = conv(input, weight, None, *options)
        return flambeau.autograd.grad(y, wanted, grad_output, create_graph=again)[0]


def _pair_of(conv):
    name = conv.__name__

    def by_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1):
        input = grad_output.new_zeros(tuple(input_size))
        options = stride, padding, dilation, groups
        return _gradient(conv, input, input, weight, grad_output, options)

    def by_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1):
        weight = grad_output.new_zeros(tuple(weight_size))
        options = stride, padding, dilation, groups
        return _gradient(conv, weight, input, weight, grad_output, options)

    by_input.__name__ = by_input.__qualname__ = f"{name}_input"
    by_input.__doc__ = f"The gradient of {name} by its input, of input_size."
    by_weight.__name__ = by_weight.__qualname__ = f"{name}_weight"
    by_weight.__doc__ = f"The gradient of {name} by its weight, of weight_size."
    return by_input, by_weight


conv1d_input, conv1d_weight = _pair_of(F.conv1d)
conv2d_input, conv2d_weight = _pair_of(F.conv2d)
conv3d_input, conv3d_weight = _pair_of(F.conv3d)
