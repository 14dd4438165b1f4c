"""Losses as functions (source: torch.nn.functional). `reduction` is 'mean', 'sum' or 'none';
size_average and reduce are its old names."""
from __future__ import annotations

import math

import flambeau
from flambeau._hint import hint, noted
from flambeau._precision import under_autocast
from flambeau.nn import _reduction
from flambeau.nn._binding import _nn, _quick

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cosine_embedding_loss",
    "cross_entropy",
    "ctc_loss",
    "gaussian_nll_loss",
    "hinge_embedding_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "margin_ranking_loss",
    "mse_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]


def _warn(message, up=3):
    import warnings
    warnings.warn(message, stacklevel=up)


def _how(reduction, size_average, reduce):
    """The reduction, by its new or its old names."""
    if size_average is not None or reduce is not None:
        return _reduction.legacy_get_string(size_average, reduce)
    return reduction


def _warn_of_sizes(input, target):
    _warn(
        f"Using a target size ({target.shape}) that is different to the input size"
        f" ({input.shape}). This will likely lead to incorrect results due to broadcasting."
        " Please ensure they have the same size."
        + hint(
            "every element of one is compared with all of the other: input.squeeze(-1), or "
            "target.unsqueeze(-1), gives both one shape",
            "输入与目标形状不同，会被广播：一方的每个元素都与另一方的所有元素比较；"
            "请用 input.squeeze(-1) 或 target.unsqueeze(-1) 使两者形状相同",
        ),
        up=4,
    )


@_quick(3, "size_average", "reduce")
def nll_loss(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None,
             reduction="mean"):
    """-input[target], for log-probabilities (N, C, *) or (C) and classes (N, *) or ()."""
    return _nn.nll_loss(input, target, weight, ignore_index, _how(reduction, size_average, reduce))


@_quick(3, "size_average", "reduce")
def cross_entropy(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None,
                  reduction="mean", label_smoothing=0.0):
    """nll_loss of log_softmax of logits (N, C, *) or (C); targets are classes, or probabilities of
    the shape of input."""
    return _nn.cross_entropy(input, target, weight, ignore_index,
                             _how(reduction, size_average, reduce), label_smoothing)


def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """(input - target)²."""
    if target.shape != input.shape:
        _warn_of_sizes(input, target)
    if size_average is None and reduce is None and weight is None:
        return _nn.mse_loss(input, target, reduction)
    return _weighted("mse_loss", input, target, _how(reduction, size_average, reduce), weight)


def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """|input - target|."""
    if target.shape != input.shape:
        _warn_of_sizes(input, target)
    if size_average is None and reduce is None and weight is None:
        return _nn.l1_loss(input, target, reduction)
    return _weighted("l1_loss", input, target, _how(reduction, size_average, reduce), weight)


def _weighted(name, input, target, reduction, weight, *setting):
    """A loss, or the weighted mean, sum or values of its elements."""
    loss = getattr(_nn, name)
    if weight is None:
        return loss(input, target, reduction, *setting)
    if weight.shape != input.shape:
        words = "Weights and input" if name == "huber_loss" else "Inputs and weight"
        raise ValueError(f"{words} must have the same size.")
    values = loss(input, target, "none", *setting) * weight
    if reduction == "mean" and name != "huber_loss":
        return values.sum() / weight.sum()
    return _reduce(values, reduction)


def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """Half the square over beta where |input - target| is below beta, else the difference less
    beta / 2."""
    if target.shape != input.shape:
        _warn_of_sizes(input, target)
    reduction = _how(reduction, size_average, reduce)
    if beta == 0.0:
        return _nn.l1_loss(input, target, reduction)
    return _nn.smooth_l1_loss(input, target, reduction, beta)


def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """Half the square where |input - target| is below delta, else delta times the difference less
    delta / 2."""
    if target.shape != input.shape:
        _warn_of_sizes(input, target)
    return _weighted("huber_loss", input, target, reduction, weight, delta)


def _of_one_shape(text):
    return noted(
        ValueError(text),
        "give both one shape: input.squeeze(-1), or target.unsqueeze(-1).",
        "输入与目标的形状必须相同：input.squeeze(-1)，或 target.unsqueeze(-1)。",
    )


def binary_cross_entropy(input, target, weight=None, size_average=None, reduce=None,
                         reduction="mean"):
    """Binary cross entropy of probabilities."""
    if target.shape != input.shape:
        raise _of_one_shape(
            f"Using a target size ({target.shape}) that is different to the input size"
            f" ({input.shape}) is deprecated. Please ensure they have the same size."
        )
    if weight is not None:
        weight = weight.expand(input.shape)
    return _nn.binary_cross_entropy(input, target, weight, _how(reduction, size_average, reduce))


def binary_cross_entropy_with_logits(input, target, weight=None, size_average=None, reduce=None,
                                     reduction="mean", pos_weight=None):
    """Binary cross entropy of logits."""
    if target.shape != input.shape:
        raise _of_one_shape(
            f"Target size ({target.shape}) must be the same as input size ({input.shape})"
        )
    return _nn.binary_cross_entropy_with_logits(input, target, weight, pos_weight,
                                                _how(reduction, size_average, reduce))


def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """target (log(target) - input), for log-probabilities; target too where log_target."""
    reduction = _how(reduction, size_average, reduce)
    if reduction == "batchmean":
        total = _nn.kl_div(input, target, "sum", log_target=log_target)
        return total / input.size(0) if input.dim() else total
    if reduction == "mean":
        _warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support"
            " size.'batchmean' divides only by the batch size, and aligns with the KL div math"
            " definition.'mean' will be changed to behave the same as 'batchmean' in the next major"
            " release."
        )
    return _nn.kl_div(input, target, reduction, log_target=log_target)


def margin_ranking_loss(input1, input2, target, margin=0, size_average=None, reduce=None,
                        reduction="mean"):
    """max(0, -target (input1 - input2) + margin)."""
    if not input1.dim() == input2.dim() == target.dim():
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.size()}, input2: {input2.size()}, target: {target.size()} "
        )
    return _nn.margin_ranking_loss(input1, input2, target, margin,
                                   _how(reduction, size_average, reduce))


def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean",
             zero_infinity=False):
    """The negative log likelihood of targets, (N, S) or all in a row, under log-probabilities
    (T, N, C) or (T, C), over all alignments (Graves et al. 2006). The lengths (N) are two tensors
    or two lists of integers."""
    return flambeau.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank,
                             _reduction.get_enum(reduction), zero_infinity)


def hinge_embedding_loss(input, target, margin=1.0, size_average=None, reduce=None,
                         reduction="mean"):
    """input where target is 1, max(0, margin - input) where it is -1."""
    return _nn.hinge_embedding_loss(input, target, margin, _how(reduction, size_average, reduce))


def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """log(1 + exp(-target input))."""
    return _nn.soft_margin_loss(input, target, _how(reduction, size_average, reduce))


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """The p-norm of x1 - x2 + eps over the last dimension."""
    return (x1 - x2 + eps).norm(p, -1, keepdim)


def _reduce(loss, reduction, size_average=None, reduce=None):
    """The mean or sum of a loss, or the loss."""
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction != "none":
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return loss


@under_autocast("float32")
def cosine_embedding_loss(
    input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"
):
    """1 - cosine where target is 1, max(0, cosine - margin) where it is -1; inputs (N, D) or (D).
    """
    if target.dim() not in (0, 1):
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if input1.dim() != target.dim() + 1 or input2.dim() != target.dim() + 1:
        raise RuntimeError(
            f"{target.dim()}D target tensor expects {target.dim() + 1}D input tensors, but found"
            f" inputs with sizes {list(input1.shape)} and {list(input2.shape)}."
        )
    dim, eps = target.dim(), 1e-12
    squares = ((input1 * input1).sum(dim) + eps) * ((input2 * input2).sum(dim) + eps)
    cosine = (input1 * input2).sum(dim) / squares.sqrt()
    near = flambeau.where(target == 1, 1 - cosine, 0.0)
    far = flambeau.where(target == -1, (cosine - margin).clamp_min(0), 0.0)
    return _reduce(near + far, reduction, size_average, reduce)


@under_autocast("float32")
def triplet_margin_loss(
    anchor,
    positive,
    negative,
    margin=1.0,
    p=2,
    eps=1e-6,
    swap=False,
    size_average=None,
    reduce=None,
    reduction="mean",
):
    """max(0, margin + distance(anchor, positive) - distance(anchor, negative))."""
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    return _triplet(
        anchor,
        positive,
        negative,
        lambda a, b: pairwise_distance(a, b, p, eps),
        margin,
        swap,
        (
            reduction
            if size_average is None and reduce is None
            else _reduction.legacy_get_string(size_average, reduce)
        ),
    )


def triplet_margin_with_distance_loss(
    anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False, reduction="mean"
):
    """triplet_margin_loss with a distance of the caller's."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.dim() == positive.dim() == negative.dim():
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of"
            f" dimensions, but got: anchor {anchor.dim()}D, positive {positive.dim()}D, and"
            f" negative {negative.dim()}D inputs"
        )
    return _triplet(
        anchor, positive, negative, distance_function or pairwise_distance, margin, swap, reduction
    )


def _triplet(anchor, positive, negative, distance, margin, swap, reduction):
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = flambeau.minimum(far, distance(positive, negative))
    return _reduce((margin + near - far).clamp_min(0), reduction)


def multilabel_soft_margin_loss(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """The mean over classes (the last dimension) of binary cross entropy with logits."""
    loss = -(target * _nn.log_sigmoid(input) + (1 - target) * _nn.log_sigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return _reduce(loss.sum(-1) / input.size(-1), reduction, size_average, reduce)


@under_autocast("float32")
def multi_margin_loss(
    input, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """The mean over classes of max(0, margin - input[target] + input[class])^p; input (N, C) or
    (C)."""
    if p != 1 and p != 2:
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
    if weight is not None and input.dim() and weight.shape != input.shape[-1:]:
        raise RuntimeError(f"inconsistent weight size, expected {input.size(-1)} but got "
                           f"{list(weight.shape)}")
    if input.dim() == 0:
        input = input.reshape(1)
    index = target.reshape(*input.shape[:-1], 1)
    loss = (margin - input.gather(-1, index) + input).relu().pow(p)  # 0 has no slope, as PyTorch's
    if weight is not None:
        loss = loss * weight[index]
    own = index == flambeau.arange(input.size(-1))
    return _reduce(
        loss.masked_fill(own, 0.0).sum(-1) / input.size(-1), reduction, size_average, reduce
    )


@under_autocast("float32")
def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """The mean over classes of max(0, 1 - input[t] + input[class]) for every t of the classes that
    target (N, C) or (C) names before its first -1, over all other classes."""
    if input.dim() > 2 or input.shape[-1:] == (0,):
        raise RuntimeError(
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(input.shape)}"
        )
    if target.shape != input.shape and (input.dim() == 2 or target.dim() > 1
                                        or target.numel() != input.numel()):
        raise RuntimeError(f"inconsistent target size: {list(target.shape)} for input of size: "
                           f"{list(input.shape)}")
    if input.dim() == 0:
        return _reduce(input * 0, _how(reduction, size_average, reduce))
    named = (target < 0).cumsum(-1) == 0
    index = target.reshape(input.shape).masked_fill(~named, 0)
    chosen = flambeau.zeros_like(input).scatter_add(-1, index, named.to(input.dtype)) > 0
    loss = (1 - input.gather(-1, index).unsqueeze(-1) + input.unsqueeze(-2)).clamp_min(0)
    counted = named.unsqueeze(-1) & ~chosen.unsqueeze(-2)
    loss = loss.masked_fill(~counted, 0.0).sum((-1, -2)) / input.size(-1)
    return _reduce(loss, _how(reduction, size_average, reduce))


@under_autocast("float32")
def poisson_nll_loss(
    input,
    target,
    log_input=True,
    full=False,
    size_average=None,
    eps=1e-8,
    reduce=None,
    reduction="mean",
):
    """The negative log likelihood of counts under Poisson rates (their logarithms where log_input).
    """
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return _reduce(loss, reduction, size_average, reduce)


def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """The negative log likelihood of target under a normal distribution of mean input and variance
    var."""
    if isinstance(var, float):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = var * flambeau.ones_like(input)
    elif (var < 0).any():
        raise ValueError("var has negative entry/entries")
    if var.size() != input.size():
        if input.size()[:-1] == var.size():
            var = var.unsqueeze(-1)
        elif input.size()[:-1] != var.size()[:-1] or var.size(-1) != 1:
            if not any(1 in (a, b) for a, b in zip(input.shape, var.shape) if a != b):
                raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    with flambeau.no_grad():
        low = (eps - var).clamp_min(0)
    var = var + low  # at least eps, with the gradient of var
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return _reduce(loss, reduction)
