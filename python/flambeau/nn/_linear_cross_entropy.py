"""The cross entropy of a linear layer's results, by pieces of the batch where that is asked for
(source: torch.nn.functional.linear_cross_entropy).

In pieces the logits, one row of all classes a sample, are never all in memory: forward keeps the
inputs only, and backward computes the logits of a piece again with its share of the gradients.
"""
from __future__ import annotations

import math

import flambeau
from flambeau.autograd import Function
from flambeau.nn._binding import _nn

__all__ = ["linear_cross_entropy"]


def linear_cross_entropy(input, linear_weight, target, *, linear_bias=None, weight=None,
                         reduction="mean", ignore_index=None, label_smoothing=0.0, options=None):
    """cross_entropy(linear(input, linear_weight, linear_bias), target, weight).

    input (N, in) or (in); linear_weight (C, *, in) and linear_bias (C, *), with further sizes * for
    batches only; target are classes (N, *) or probabilities (N, C, *); weight (C). options, a
    LinearCrossEntropyOptions or a dataclass of the same fields, asks for the computation in pieces,
    which targets that are classes allow, without label_smoothing and further sizes.
    """
    batch, classes, sizes = _check(input, linear_weight, linear_bias)
    shape = (*batch, classes, *sizes)
    if ignore_index is None:
        ignore_index = -100
    elif target.shape == shape:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    if options is not None:
        if not sizes and not label_smoothing and target.dtype == flambeau.int64 and (
            reduction in ("mean", "sum", "none")
        ):
            return _in_pieces(input, linear_weight, linear_bias, target, weight, reduction,
                              ignore_index, options)
        _warn_of_options(reduction, label_smoothing, target, sizes, linear_bias)
    if sizes:
        rows = math.prod(sizes, start=classes)
        linear_weight = linear_weight.reshape(rows, input.shape[-1])
        linear_bias = None if linear_bias is None else linear_bias.reshape(rows)
    logits = _nn.linear(input, linear_weight, linear_bias).reshape(shape)
    return _nn.cross_entropy(logits, target, weight, ignore_index, reduction, label_smoothing)


def _check(input, linear_weight, linear_bias):
    """The batch's sizes, the number of classes and the further sizes."""
    if not 1 <= input.dim() <= 2:
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.dim()}")
    if linear_weight.dim() < 2:
        raise RuntimeError(
            f"expected linear_weight with dimensionality at least 2, got {linear_weight.dim()}"
        )
    if input.shape[-1] != linear_weight.shape[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), got"
            f" {input.shape[-1]} and {linear_weight.shape[-1]}, respectively"
        )
    batch, outer = input.shape[:-1], tuple(linear_weight.shape[:-1])
    if linear_bias is not None and tuple(linear_bias.shape) != outer:
        raise RuntimeError(f"expected linear_bias shape {outer}, got {tuple(linear_bias.shape)}")
    if len(outer) > 1 and not batch:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)}"
            f" requires batched input, (N, {input.shape[-1]}), got unbatched input with shape"
            f" {tuple(input.shape)}"
        )
    return batch, outer[0], outer[1:]


def _warn_of_options(reduction, label_smoothing, target, sizes, linear_bias):
    import warnings

    shape = None if linear_bias is None else tuple(linear_bias.shape)
    warnings.warn(
        "linear_cross_entropy: ``options`` ignored; chunked path needs reduction in"
        " {'mean','sum','none'}, label_smoothing == 0, target.dtype == int64, out_features == ()."
        f" Got reduction={reduction!r}, label_smoothing={label_smoothing},"
        f" target.dtype={target.dtype}, out_features={tuple(sizes)}, tracing=False,"
        f" linear_bias.shape={shape}.",
        stacklevel=3,
    )


def _in_pieces(input, linear_weight, linear_bias, target, weight, reduction, ignore_index, options):
    batched = input.dim() == 2
    if not batched:
        input, target = input.unsqueeze(0), target.unsqueeze(0)
    from flambeau.nn.modules.linear_cross_entropy_options import own_options

    options = own_options(options)._adjust(
        input.shape[0], input.shape[1], linear_weight.shape[0], input.dtype, input.device)
    losses = _Pieces.apply(input, linear_weight, linear_bias, target, weight, ignore_index,
                           options.batch_chunk_size, options.acc_dtype)
    if reduction == "none":
        losses = losses.to(input.dtype)
        return losses if batched else losses.squeeze(0)
    total = losses.sum()
    if reduction == "mean":
        counted = target != ignore_index
        if weight is None:
            total = total / counted.sum()
        else:
            kept = target.where(counted, 0)
            total = total / (weight[kept] * counted).to(total.dtype).sum()
    return total.to(input.dtype)


class _Pieces(Function):
    """The losses (N) of input (N, in), in dtype `wide`."""

    @staticmethod
    def forward(ctx, input, linear_weight, linear_bias, target, weight, ignore_index, size, wide):
        ctx.save_for_backward(input, linear_weight, linear_bias, target, weight)
        ctx.settings = ignore_index, size, wide
        losses = flambeau.empty(input.shape[0], dtype=wide, device=input.device)
        for start in range(0, input.shape[0], size):
            piece = slice(start, start + size)
            losses[piece] = _losses(input[piece], linear_weight, linear_bias, target[piece],
                                    weight, ignore_index, wide)
        return losses

    @staticmethod
    def backward(ctx, g):
        input, linear_weight, linear_bias, target, weight = ctx.saved_tensors
        ignore_index, size, wide = ctx.settings
        wanted = ctx.needs_input_grad[:3]
        grads = [
            flambeau.zeros(t.shape, dtype=wide, device=t.device) if want else None
            for t, want in zip((input, linear_weight, linear_bias), wanted)
        ]
        for start in range(0, input.shape[0], size):
            piece = slice(start, start + size)
            leaves = [
                None if t is None else t.detach().requires_grad_(want)
                for t, want in zip((input[piece], linear_weight, linear_bias), wanted)
            ]
            with flambeau.enable_grad():
                losses = _losses(*leaves, target[piece], weight, ignore_index, wide)
            found = iter(flambeau.autograd.grad(
                losses, [leaf for leaf, want in zip(leaves, wanted) if want], g[piece]))
            for i, want in enumerate(wanted):
                if want:
                    whole = grads[i][piece] if i == 0 else grads[i]
                    whole.add_(next(found))
        given = (input, linear_weight, linear_bias)
        grads = [None if d is None else d.to(t.dtype) for d, t in zip(grads, given)]
        return (*grads, None, None, None, None, None)


def _losses(input, linear_weight, linear_bias, target, weight, ignore_index, wide):
    logits = _nn.linear(input, linear_weight, linear_bias).to(wide)
    weight = None if weight is None else weight.to(wide)
    return _nn.cross_entropy(logits, target, weight, ignore_index, "none")
