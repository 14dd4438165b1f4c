"""Losses as functions (source: torch.nn.functional). `reduction` is 'mean', 'sum' or 'none';
size_average and reduce are its old names."""
from __future__ import annotations

import re

import flambeau
from flambeau import _C
from flambeau._hint import hint
from flambeau.nn import _reduction
from flambeau.nn._binding import _nn, _quick

_REDUCE = "size_average reduce reduction"
_SIGNATURES = {
    "nll_loss": "input target weight size_average ignore_index reduce reduction",
    "cross_entropy":
        "input target weight size_average ignore_index reduce reduction label_smoothing",
    "binary_cross_entropy": f"input target weight {_REDUCE}",
    "binary_cross_entropy_with_logits": f"input target weight {_REDUCE} pos_weight",
    "cosine_embedding_loss": f"input1 input2 target margin {_REDUCE}",
    "hinge_embedding_loss": f"input target margin {_REDUCE}",
    "margin_ranking_loss": f"input1 input2 target margin {_REDUCE}",
    "multi_margin_loss": f"input target p margin weight {_REDUCE}",
    "multilabel_margin_loss": f"input target {_REDUCE}",
    "multilabel_soft_margin_loss": f"input target weight {_REDUCE}",
    "poisson_nll_loss": "input target log_input full size_average eps reduce reduction",
    "soft_margin_loss": f"input target {_REDUCE}",
    "triplet_margin_loss": f"anchor positive negative margin p eps swap {_REDUCE}",
}
__all__ = [
    *_SIGNATURES, "ctc_loss", "huber_loss", "kl_div", "l1_loss", "mse_loss", "smooth_l1_loss",
    "triplet_margin_with_distance_loss",
]


# What PyTorch's functions call in turn: its name, and where reduction stands in front of others.
_INNER = {
    "cross_entropy": ("cross_entropy_loss", {"ignore_index": 5, "label_smoothing": 6}),
    "nll_loss": ("nll_loss_nd", {"ignore_index": 5}),
}


def _with_inner_name(name, error):
    """A TypeError of the operator NAME in the words of what PyTorch's function calls."""
    inner, places = _INNER[name]
    first, *rest = str(error).split("\n")
    first = first.replace(f"{name}()", f"{inner}()", 1)
    for argument, place in places.items():
        first = re.sub(rf"('{argument}' \(position )\d+", rf"\g<1>{place}", first)
    error.args = ("\n".join([first, *rest]),)


def _with_old_names(name, signature):
    """The operator NAME with the arguments of `signature`, old names of its reduction among them."""
    names, operator = signature.split(), getattr(_nn, name)
    line = operator.__text_signature__
    defaults = dict(re.findall(r"(\w+)=([^,)]+)", line))
    old = dict.fromkeys(("size_average", "reduce"), "None")
    shown = [n + "=" + {**old, **defaults}[n] if n in old or n in defaults else n for n in names]
    order = [n for n in re.findall(r"(\w+)[=,)]", line.split("(", 1)[1]) if n in names]
    arranged = None

    def loss(*args, **kwargs):
        nonlocal arranged
        if arranged is None:  # Python's own errors of calls, made when first wanted
            scope = {}
            exec(f"def {name}({', '.join(shown)}): return locals()", scope)
            arranged = scope[name]
        given = arranged(*args, **kwargs)
        if (given["size_average"], given["reduce"]) != (None, None):
            given["reduction"] = _reduction.legacy_get_string(given["size_average"],
                                                              given["reduce"])
        try:
            return operator(*[given[n] for n in order])
        except TypeError as error:
            if name in _INNER:
                _with_inner_name(name, error)
            raise

    loss.__name__ = loss.__qualname__ = name
    return _C.shortcut(loss, operator, names.index("size_average"), ("size_average", "reduce"),
                       f"{name}({', '.join(shown)})\n--\n\n{operator.__doc__}")


for _name, _signature in _SIGNATURES.items():
    globals()[_name] = _with_old_names(_name, _signature)


def _warn(message, up=3):
    import warnings
    warnings.warn(message, stacklevel=up)


def _how(reduction, size_average, reduce):
    """The reduction, by its new or its old names."""
    if size_average is not None or reduce is not None:
        return _reduction.legacy_get_string(size_average, reduce)
    return reduction


def _hint_of_sizes(input, target):
    if input.dim() == 2 and target.dim() == 1 and input.shape[1] > 1 and len(input) == len(target):
        return hint(
            "one output a class, and class numbers as targets, go to a loss for classes: "
            "F.cross_entropy(input, target.long())",
            "每类一个输出、目标是类别编号时，应使用分类的损失函数："
            "F.cross_entropy(input, target.long())",
        )
    return hint(
        "every element of one is compared with all of the other: input.squeeze(-1), or "
        "target.unsqueeze(-1), gives both one shape",
        "输入与目标形状不同，会被广播：一方的每个元素都与另一方的所有元素比较；"
        "请用 input.squeeze(-1) 或 target.unsqueeze(-1) 使两者形状相同",
    )


def _warn_of_sizes(input, target):
    import sys
    import warnings

    from flambeau._explain.source import program_frame

    frame = program_frame(sys._getframe(1))
    message = (
        f"Using a target size ({target.shape}) that is different to the input size"
        f" ({input.shape}). This will likely lead to incorrect results due to broadcasting."
        " Please ensure they have the same size."
        + _hint_of_sizes(input, target)
    )
    if frame is None:
        warnings.warn(message)
        return
    registry = frame.f_globals.setdefault("__warningregistry__", {})
    warnings.warn_explicit(
        message, UserWarning, frame.f_code.co_filename, frame.f_lineno,
        frame.f_globals.get("__name__"), registry,
    )


def _ask(function, input, target, **options):
    """The call by those whose class has __torch_function__."""
    return _C._handle_torch_function(function, (input, target), (input, target), options)


@_quick(2, "size_average", "reduce", "weight", alike=True)
def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """(input - target)²."""
    if _C._has_torch_function((input, target)):
        return _ask(mse_loss, input, target, size_average=size_average, reduce=reduce,
                    reduction=reduction, weight=weight)
    if target.size() != input.size():
        _warn_of_sizes(input, target)
    if size_average is None and reduce is None and weight is None:
        return _nn.mse_loss(input, target, reduction)
    return _weighted("mse_loss", input, target, _how(reduction, size_average, reduce), weight)


@_quick(2, "size_average", "reduce", "weight", alike=True)
def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """|input - target|."""
    if _C._has_torch_function((input, target)):
        return _ask(l1_loss, input, target, size_average=size_average, reduce=reduce,
                    reduction=reduction, weight=weight)
    if target.size() != input.size():
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
    if _C._has_torch_function((input, target)):
        return _ask(smooth_l1_loss, input, target, size_average=size_average, reduce=reduce,
                    reduction=reduction, beta=beta)
    if target.size() != input.size():
        _warn_of_sizes(input, target)
    reduction = _how(reduction, size_average, reduce)
    if beta == 0.0:
        return _nn.l1_loss(input, target, reduction)
    return _nn.smooth_l1_loss(input, target, reduction, beta)


@_quick(4, "weight", alike=True)
def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """Half the square where |input - target| is below delta, else delta times the difference less
    delta / 2."""
    if _C._has_torch_function((input, target)):
        return _ask(huber_loss, input, target, reduction=reduction, delta=delta,
                    weight=weight)
    if target.size() != input.size():
        _warn_of_sizes(input, target)
    return _weighted("huber_loss", input, target, reduction, weight, delta)


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


def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean",
             zero_infinity=False):
    """The negative log likelihood of targets, (N, S) or all in a row, under log-probabilities
    (T, N, C) or (T, C), over all alignments (Graves et al. 2006). The lengths (N) are two tensors
    or two lists of integers."""
    return flambeau.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank,
                             _reduction.get_enum(reduction), zero_infinity)


def _reduce(loss, reduction):
    """The mean or sum of a loss, or the loss."""
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction != "none":
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return loss


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
        anchor, positive, negative, distance_function or _nn.pairwise_distance, margin, swap, reduction
    )


def _triplet(anchor, positive, negative, distance, margin, swap, reduction):
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = flambeau.minimum(far, distance(positive, negative))
    return _reduce((margin + near - far).clamp_min(0), reduction)
