"""Batch normalisations folded into the layer before them, for inference (source:
torch.nn.utils.fusion)."""
from __future__ import annotations

from copy import deepcopy

import flambeau
from flambeau.nn.parameter import Parameter

__all__ = [
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
]


def _fused_copy(layer, bn):
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")
    return deepcopy(layer)


def fuse_conv_bn_eval(conv, bn, transpose=False):
    """A convolution that computes bn(conv(x)); both in evaluation mode."""
    fused = _fused_copy(conv, bn)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias,
        transpose)
    return fused


def fuse_conv_bn_weights(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, transpose=False):
    """(weight, bias) of the fused convolution; transpose: of a transposed one, whose outputs are
    the weight's second dimension."""
    if conv_b is None:
        conv_b = flambeau.zeros_like(bn_rm)
    scale = flambeau.rsqrt(bn_rv + bn_eps)
    if bn_b is None:
        bn_b = flambeau.zeros_like(bn_rm)
    shape = [1] * conv_w.dim()
    shape[1 if transpose else 0] = -1
    weight = conv_w * (scale if bn_w is None else bn_w * scale).reshape(shape)
    bias = (conv_b - bn_rm) * scale
    bias = (bias if bn_w is None else bias * bn_w) + bn_b
    return (Parameter(weight.to(conv_w.dtype), conv_w.requires_grad),
            Parameter(bias.to(conv_b.dtype), conv_b.requires_grad))


def fuse_linear_bn_eval(linear, bn):
    """A linear layer that computes bn(linear(x)); both in evaluation mode."""
    fused = _fused_copy(linear, bn)
    if bn.num_features not in (1, linear.out_features):
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got"
            f" linear.out_features={linear.out_features} and bn.num_features={bn.num_features}"
        )
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias)
    return fused


def fuse_linear_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b):
    """(weight, bias) of the fused linear layer."""
    if linear_b is None:
        linear_b = flambeau.zeros_like(bn_rm)
    scale = bn_w * flambeau.rsqrt(bn_rv + bn_eps)
    weight = linear_w * scale.unsqueeze(-1).to(linear_w.dtype)
    bias = ((linear_b - bn_rm) * scale + bn_b).to(linear_b.dtype)
    return Parameter(weight, linear_w.requires_grad), Parameter(bias, linear_b.requires_grad)
