"""The operators of networks as functions (source: torch.nn.functional).

What the operator table marks `nn` is here as it is, in C. The Python functions below give such an
operator PyTorch's functional form (inplace, old arguments), or compose operators. One that is
marked _quick is entered only by calls that need it: all others go straight to its operator.
"""
from __future__ import annotations

import math

import flambeau
from flambeau._hint import hint, noted
from flambeau import _C
from flambeau.nn import _reduction  # noqa: F401  programs look for it here
from flambeau.nn._attention import (  # noqa: F401  the others: copies of PyTorch's layers call them
    _canonical_mask,
    _in_projection,
    _in_projection_packed,
    _mha_shape_check,
    _none_or_dtype,
    multi_head_attention_forward,
)
from flambeau.nn._binding import _nn, _op, _quick
from flambeau.nn._linear_cross_entropy import linear_cross_entropy  # noqa: F401
from flambeau.nn._losses import *  # noqa: F403
from flambeau.nn._pooling import *  # noqa: F403

_HALVES = (_C.float16, _C.bfloat16)

# ---- Activations ---------------------------------------------------------------------------------

tanh, sigmoid, relu_ = (getattr(_C, name, None) for name in ("tanh", "sigmoid", "relu_"))


@_quick(2, "inplace")
def elu(input, alpha=1.0, inplace=False):
    """input where positive, else alpha (exp(input) - 1)."""
    return _op("elu_" if inplace else "elu")(input, alpha)


def logsigmoid(input):
    """log(sigmoid(input)), elementwise."""
    return _op("log_sigmoid")(input)


def glu(input, dim=-1):
    """a * sigmoid(b) for the halves a and b of input along dim."""
    if input.dim() == 0:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    return _nn.glu(input, dim)


def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """leaky_relu with slopes drawn from [lower, upper) while training, and their mean otherwise."""
    if not (math.isfinite(lower) and math.isfinite(upper)):
        which, bound = ("upper", upper) if math.isfinite(lower) else ("lower", lower)
        raise RuntimeError(f"rrelu: {which} bound must be finite, got {bound}")
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    return _op("rrelu_" if inplace else "rrelu")(input, lower, upper, training)


def _implicit_dim(name, ndim, stacklevel):
    """The dim of a softmax called without one, with PyTorch's warning."""
    import warnings
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
        "dim=X as an argument."
        + hint(
            "classes are the last dim: dim=-1 (of a batch (N, C) the same as dim=1)",
            "没有给出 dim，只好猜测：类别在最后一维，请写 dim=-1（批次为 (N, C) 时与 dim=1 相同）",
        ),
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


@_quick(2, "_stacklevel", "dtype")
def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """exp(input) divided by its sum over dim."""
    if dim is None:
        dim = _implicit_dim("softmax", input.dim(), _stacklevel)
    return input.softmax(dim, dtype=dtype)


@_quick(2, "_stacklevel", "dtype")
def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """The logarithm of softmax."""
    if dim is None:
        dim = _implicit_dim("log_softmax", input.dim(), _stacklevel)
    return input.log_softmax(dim, dtype=dtype)


def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """softmax(-input)."""
    if dim is None:
        dim = _implicit_dim("softmin", input.dim(), _stacklevel)
    return softmax(-input, dim, dtype=dtype)


# ---- Normalisation, dropout ----------------------------------------------------------------------

def _check_batch(size):
    """Refuses a batch whose channels have one value each: size is (N, C, *)."""
    if size[0] * math.prod(size[2:]) == 1:
        raise noted(
            ValueError(
                f"Expected more than 1 value per channel when training, got input size {size}"
            ),
            "batch normalisation takes statistics over the batch, and this batch has one sample: "
            "leave a last batch of one out (DataLoader(..., drop_last=True)), or call model.eval() "
            "to predict.",
            "批归一化要在批次上统计，而这个批次只有一个样本：请丢弃最后不足的批次"
            "（DataLoader(..., drop_last=True)），若是预测请先调用 model.eval()。",
        )


def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False,
               momentum=0.1, eps=1e-5):
    """Every channel (dim 1) of input brought to mean 0 and variance 1, times weight, plus bias.

    By the batch where training, which also moves the running statistics; else by these.
    """
    if training:
        _check_batch(input.size())
    if eps < 0.0 or (training and eps == 0.0):
        how = "positive during training" if training else "non-negative"
        raise ValueError(f"batch_norm eps must be {how}, but got {eps}")
    return _C.batch_norm(
        input, weight, bias, running_mean, running_var, training, momentum, eps, True
    )


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """Groups of channels of every sample of (N, C, *) brought to mean 0 and variance 1."""
    if input.dim() < 2:
        raise RuntimeError(
            f"Expected at least 2 dimensions for input tensor but received {input.dim()}"
        )
    shape = input.shape
    _check_batch([shape[0] * shape[1] // num_groups, num_groups, *shape[2:]])
    return _C.group_norm(input, num_groups, weight, bias, eps)


def _check_probability(p):
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _drop_channels(input, p, training, inplace):
    """Drops whole channels of input (N, C, *)."""
    return _op("feature_dropout_" if inplace else "feature_dropout")(input, p, training)


@_quick(3, "training", "inplace")
def dropout(input, p=0.5, training=True, inplace=False):
    """Zeroes elements with probability p while training and scales the others by 1 / (1 - p)."""
    _check_probability(p)
    return _op("dropout_" if inplace else "dropout")(input, p, training)


def dropout1d(input, p=0.5, training=True, inplace=False):
    """Drops whole channels of (N, C, L) or (C, L)."""
    _check_probability(p)
    if input.dim() not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.dim()}D input. Note that"
            " dropout1d exists to provide channel-wise dropout on inputs with 1 spatial dimension,"
            " a channel dimension, and an optional batch dimension (i.e. 2D or 3D inputs)."
        )
    if input.dim() == 2:
        batch = input.unsqueeze_(0) if inplace else input.unsqueeze(0)
        result = _drop_channels(batch, p, training, inplace)
        return result.squeeze_(0) if inplace else result.squeeze(0)
    return _drop_channels(input, p, training, inplace)


def _warn_of_rank(name, input, dims):
    import warnings
    if input.dim() not in dims:
        warnings.warn(
            f"{name}: Received a {input.dim()}-D input to {name}, which is deprecated and will"
            " result in an error in a future release. To retain the behavior and silence this"
            f" warning, please use dropout instead. Note that {name} exists to provide"
            f" channel-wise dropout on inputs with {dims[0] - 1} spatial dimensions, a channel"
            f" dimension, and an optional batch dimension (i.e. {dims[0]}D or {dims[1]}D inputs).",
            stacklevel=3,
        )


def dropout2d(input, p=0.5, training=True, inplace=False):
    """Drops whole channels of (N, C, H, W)."""
    _check_probability(p)
    _warn_of_rank("dropout2d", input, (3, 4))
    if input.dim() == 3:
        import warnings
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout"
            " behavior is desired - input is interpreted as shape (N, C, L), where C is the channel"
            " dim. This behavior will change in a future release to interpret the input as one"
            " without a batch dimension, i.e. shape (C, H, W). To maintain the 1D channel-wise"
            " dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return _drop_channels(input, p, training, inplace)


def dropout3d(input, p=0.5, training=True, inplace=False):
    """Drops whole channels of (N, C, D, H, W)."""
    _check_probability(p)
    _warn_of_rank("dropout3d", input, (4, 5))
    if input.dim() == 5:
        return _drop_channels(input, p, training, inplace)
    batch = input.unsqueeze_(0) if inplace else input.unsqueeze(0)
    result = _drop_channels(batch, p, training, inplace)
    return result.squeeze_(0) if inplace else result.squeeze(0)


def alpha_dropout(input, p=0.5, training=False, inplace=False):
    """dropout that keeps mean and variance of what SELU gives."""
    _check_probability(p)
    return _op("alpha_dropout_" if inplace else "alpha_dropout")(input, p, training)


def feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """alpha_dropout of whole channels of (N, C, *)."""
    _check_probability(p)
    name = "feature_alpha_dropout_" if inplace else "feature_alpha_dropout"
    return _op(name)(input, p, training)


# ---- Tables --------------------------------------------------------------------------------------


def embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0,
              scale_grad_by_freq=False, sparse=False):
    """The rows of weight (rows, features) that the integers in input name: (*, features).

    Rows that are used and whose norm is above max_norm are scaled down to it first, in place. The
    row of padding_idx gets no gradient.
    """
    if _C._has_torch_function((input, weight)):
        options = dict(padding_idx=padding_idx, max_norm=max_norm, norm_type=norm_type,
                       scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)
        return _C._handle_torch_function(embedding, (input, weight), (input, weight), options)
    rows = weight.size(0)
    if padding_idx is not None:
        if not -rows <= padding_idx < max(rows, 1):
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx += rows if padding_idx < 0 else 0
    if max_norm is not None:
        _C.embedding_renorm_(weight.detach(), input, max_norm, norm_type)
    if sparse and weight.requires_grad and _C._is_grad_enabled():
        from flambeau.nn._sparse_lookup import lookup
        return lookup(weight, input, padding_idx, scale_grad_by_freq)
    return _C.embedding(
        weight, input, -1 if padding_idx is None else padding_idx, scale_grad_by_freq, False
    )


_BAG_MODES = {"sum": 0, "mean": 1, "max": 2}


def embedding_bag(input, weight, offsets=None, max_norm=None, norm_type: float = 2,
                  scale_grad_by_freq=False, mode="mean", sparse=False, per_sample_weights=None,
                  include_last_offset=False, padding_idx=None):
    """Sums, means or maxima of bags of rows of weight (rows, features): (bags, features).

    input: (bags, rows of each), or (n) with offsets (bags), where each bag begins; with
    include_last_offset the last offset is where the last bag ends. per_sample_weights, of input's
    shape, weighs the rows of a sum. The row of padding_idx counts nowhere. max_norm: as embedding.
    """
    if weight.dtype is flambeau.int64 and input.is_floating_point():
        import warnings
        warnings.warn(
            "Argument order of nn.functional.embedding_bag was changed. "
            "Usage `embedding_bag(weight, input, ...)` is deprecated, "
            "and should now be `embedding_bag(input, weight, ...)`.",
            stacklevel=2,
        )
        weight, input = input, weight
    if per_sample_weights is not None and input.size() != per_sample_weights.size():
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, "
            f"then it must have the same shape as the input ({input.shape})"
        )
    if weight.dim() != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.dim()}")
    if input.dim() == 2:
        input, offsets, per_sample_weights = _bags_of_rows(input, offsets, per_sample_weights)
        include_last_offset = False
    elif input.dim() != 1:
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.dim()}"
        )
    elif offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    elif offsets.dim() != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    if mode not in _BAG_MODES:
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    if max_norm is not None:
        _C.embedding_renorm_(weight.detach(), input, max_norm, norm_type)
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. "
            "per_sample_weights is only supported for mode='sum' "
            f"(got mode='{mode}'). Please open a feature request on GitHub."
        )
    if sparse and weight.requires_grad and _C._is_grad_enabled():
        from flambeau.nn._sparse_lookup import lookup_bags
        return lookup_bags(weight, input, offsets, mode, per_sample_weights, include_last_offset,
                           padding_idx)
    return _C.embedding_bag(weight, input, offsets, scale_grad_by_freq, _BAG_MODES[mode], False,
                            per_sample_weights, include_last_offset, padding_idx)[0]


def _bags_of_rows(input, offsets, per_sample_weights):
    """input (bags, n) as one row with offsets, and the weights in a row too."""
    if offsets is not None:
        raise ValueError(
            "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of"
            f" fixed length sequences. However, found offsets of type {type(offsets)}"
        )
    offsets = flambeau.arange(0, input.numel(), input.size(1), dtype=input.dtype,
                              device=input.device)
    weights = None if per_sample_weights is None else per_sample_weights.reshape(-1)
    return input.reshape(-1), offsets, weights


def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """The old name of interpolate."""
    import warnings
    warnings.warn(
        "`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=2,
    )
    return _nn.interpolate(input, size, scale_factor, mode, align_corners)


_NAMES = frozenset(globals())
for _name, _value in vars(_nn).items():
    if _name not in _NAMES and not _name.startswith("_"):
        globals()[_name] = _value
        if getattr(_value, "__text_signature__", None):  # one that takes `inplace` is Python's
            _value.__module__ = __name__                 # in PyTorch, and files name it so
del _name, _value


# name -> the file of its own that a rare function has
_HOMES = {
    **dict.fromkeys(("grid_sample", "affine_grid"), "flambeau.nn._grid"),
}


def __getattr__(name):
    if name in _HOMES:
        import importlib
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(
        f"Flambeau has no torch.nn.functional.{name} yet"
        if not name.startswith("__")
        else f"module 'flambeau.nn.functional' has no attribute '{name}'"
    )
