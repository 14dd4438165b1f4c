"""The operators of networks as functions (source: torch.nn.functional).

What the operator table marks `nn` is taken over from the extension as it is. What is written here
composes such operators; a function of the table replaces one of the same name here.
"""
from __future__ import annotations

import math

import flambeau
from flambeau import _C
from flambeau.nn import _reduction  # noqa: F401  programs look for it here


def _alias(name):
    """flambeau.NAME under this module's name; found at the call, so that a table without it costs
    only that function."""
    def call(*args, **kwargs):
        return getattr(_C, name)(*args, **kwargs)
    call.__name__ = call.__qualname__ = name
    return call


# ---- Activations ---------------------------------------------------------------------------------

relu_ = getattr(_C, "relu_", None) or _alias("relu_")
tanh = getattr(_C, "tanh", None) or _alias("tanh")
sigmoid = getattr(_C, "sigmoid", None) or _alias("sigmoid")


def _into(input, output, inplace):
    """output, or input after it has taken output's values."""
    return input.copy_(output) if inplace else output


def logsigmoid(input):
    """log(sigmoid(input)), elementwise."""
    return _TABLE["log_sigmoid"](input)


def softsign(input):
    """input / (1 + |input|), elementwise."""
    return input / (input.abs() + 1)


def tanhshrink(input):
    """input - tanh(input), elementwise."""
    return input - input.tanh()


def threshold(input, threshold, value, inplace=False):
    """input where it is above threshold, else value."""
    return _into(input, flambeau.where(input <= threshold, value, input), inplace)


def threshold_(input, threshold, value):
    """threshold(), in place."""
    return _PYTHON["threshold"](input, threshold, value, True)


def hardshrink(input, lambd=0.5):
    """input where it is outside [-lambd, lambd], else 0."""
    return flambeau.where((input >= -lambd) & (input <= lambd), 0.0, input)


def softshrink(input, lambd=0.5):
    """input moved towards 0 by lambd."""
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    return flambeau.where(
        input > lambd, input - lambd, flambeau.where(input < -lambd, input + lambd, input * 0)
    )


def prelu(input, weight):
    """input where positive, else weight * input; weight has one element, or one for each channel
    (dim 1)."""
    if weight.numel() != 1:
        channels = input.size(1) if input.dim() > 1 else input.numel() if input.dim() else 1
        if channels != weight.numel():
            raise RuntimeError(
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{weight.numel()} and channel size = {channels}."
            )
    if weight.dim() > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.dim()}"
        )
    if input.dim() != 1 and weight.dim():
        weight = (
            weight.reshape(*(1,) * min(1, input.dim() - 1), -1, *(1,) * max(0, input.dim() - 2))
            if input.dim()
            else weight.reshape(())
        )
    return flambeau.where(input > 0, input, weight * input)


def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """leaky_relu with slopes drawn from [lower, upper) while training, and their mean otherwise."""
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)  # noqa: F821
    slope = flambeau.empty_like(input).uniform_(lower, upper)
    return _into(input, flambeau.where(input <= 0, input * slope, input), inplace)


def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """softmax(-input)."""
    return softmax(-input, dim, dtype=dtype)  # noqa: F821


def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """A draw from the Gumbel-softmax distribution; hard gives one-hot values with the soft ones'
    gradient."""
    soft = ((logits - flambeau.empty_like(logits).exponential_().log()) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.argmax(dim, keepdim=True)
    return flambeau.zeros_like(logits).scatter_(dim, index, 1.0) - soft.detach() + soft


def rms_norm(input, normalized_shape, weight=None, eps=None):
    """input divided by the root of the mean of squares over its last dimensions, times weight."""
    shape = tuple(normalized_shape)
    if not shape or tuple(input.shape[-len(shape):]) != shape:
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*, "
            f"{', '.join(map(str, shape))}], but got input of size{list(input.shape)}"
        )
    eps = flambeau.finfo(input.dtype).eps if eps is None else eps
    mean = (input * input).mean(tuple(range(-len(shape), 0)), keepdim=True)
    result = input * (mean + eps).rsqrt()
    return result if weight is None else result * weight


# ---- Normalisation, dropout ----------------------------------------------------------------------

def _check_spatial(size):
    if math.prod(size[2:]) == 1:
        raise ValueError(
            f"Expected more than 1 spatial element when training, got input size {size}"
        )


def instance_norm(
    input,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    use_input_stats=True,
    momentum=0.1,
    eps=1e-5,
):
    """batch_norm of every sample by itself; input (N, C, *). The running statistics are means over
    the batch."""
    if use_input_stats:
        _check_spatial(input.size())
    if input.dim() < 2 or (running_mean is None and not use_input_stats):
        raise RuntimeError(
            "Expected running_mean and running_var to be defined when use_input_stats is false"
        )
    batch, channels = input.shape[:2]

    def repeated(t):
        return None if t is None else t.repeat(batch)
    mean, var = repeated(running_mean), repeated(running_var)
    flat = input.reshape(1, batch * channels, *input.shape[2:])
    result = batch_norm(
        flat, mean, var, repeated(weight), repeated(bias), use_input_stats, momentum, eps
    )  # noqa: F821
    if use_input_stats and running_mean is not None:
        with flambeau.no_grad():
            running_mean.copy_(mean.view(batch, channels).mean(0))
            running_var.copy_(var.view(batch, channels).mean(0))
    return result.view(input.shape)


def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """input divided by a power of the mean square over `size` neighbouring channels; input (N, C,
    *)."""
    if input.dim() < 3:
        raise ValueError(
            "Expected 3D or higher dimensionality                          input (got"
            f" {input.dim()} dimensions)"
        )
    if input.numel() == 0:
        return input
    squares = (input * input).reshape(input.size(0), 1, input.size(1), -1)
    squares = pad(squares, (0, 0, size // 2, (size - 1) // 2))  # noqa: F821
    means = avg_pool2d(squares, (size, 1), stride=1).reshape(input.shape)  # noqa: F821
    return input / (means * alpha + k).pow(beta)


def bilinear(input1, input2, weight, bias=None):
    """x1ᵀ weight[o] x2 for every output o: input1 (*, in1), input2 (*, in2), weight (out, in1,
    in2), bias (out)."""
    out, in1, in2 = weight.shape
    if input1.shape[:-1] != input2.shape[:-1] or input1.size(-1) != in1 or input2.size(-1) != in2:
        raise RuntimeError(
            f"bilinear(): input1 {list(input1.shape)} and input2 {list(input2.shape)} do not fit a"
            f" weight of shape {list(weight.shape)}"
        )
    half = input1.reshape(-1, in1) @ weight.permute(1, 0, 2).reshape(in1, out * in2)
    result = (half.reshape(-1, out, in2) * input2.reshape(-1, 1, in2)).sum(-1)
    result = result.reshape(*input1.shape[:-1], out)
    return result if bias is None else result + bias


def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """input divided by its p-norm over dim, which counts as at least eps."""
    norm = input.norm(p, dim, keepdim=True).clamp_min(eps)
    return flambeau.div(input, norm) if out is None else flambeau.div(input, norm, out=out)


def _check_probability(p):
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _drop(input, noise_shape, p, training, inplace):
    """Zeroes elements, or what shares one of noise, with probability p and scales the rest by 1 /
    (1 - p)."""
    _check_probability(p)
    if not training or p == 0.0 or input.numel() == 0:
        return input
    if p == 1.0:
        return input.mul_(0) if inplace else input * 0
    noise = (
        flambeau.empty(noise_shape, dtype=input.dtype, device=input.device)
        .bernoulli_(1 - p)
        .div_(1 - p)
    )
    return input.mul_(noise) if inplace else input * noise


def _drop_channels(name, input, p, training, inplace, dims):
    """Drops whole channels of input (N, C, *dims), or of (C, *dims) where `dims` allows it."""
    if input.dim() not in dims:
        import warnings
        warnings.warn(
            f"{name}: Received a {input.dim()}-D input to {name}, which is deprecated and will"
            " result in an error in a future release.",
            stacklevel=3,
        )
    return _drop(input, input.shape[:2] + (1,) * (input.dim() - 2), p, training, inplace)


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
        return _drop_channels(
            "dropout1d",
            input.unsqueeze_(0) if inplace else input.unsqueeze(0),
            p,
            training,
            inplace,
            (3,),
        ).squeeze(0)
    return _drop_channels("dropout1d", input, p, training, inplace, (3,))


def dropout2d(input, p=0.5, training=True, inplace=False):
    """Drops whole channels of (N, C, H, W)."""
    return _drop_channels("dropout2d", input, p, training, inplace, (3, 4))


def dropout3d(input, p=0.5, training=True, inplace=False):
    """Drops whole channels of (N, C, D, H, W)."""
    return _drop_channels("dropout3d", input, p, training, inplace, (4, 5))


def _drop_alpha(input, noise_shape, p, training, inplace):
    """Drops to SELU's negative limit and rescales, so that mean and variance stay (Klambauer et
    al., 2017)."""
    _check_probability(p)
    if not training or p == 0.0 or input.numel() == 0:
        return input
    if p == 1.0:
        return input.mul_(0) if inplace else input * 0
    alpha = 1.7580993408473766
    a = 1.0 / math.sqrt((alpha * alpha * p + 1) * (1 - p))
    noise = flambeau.empty(noise_shape, dtype=input.dtype, device=input.device).bernoulli_(1 - p)
    shift = (noise - 1).mul_(alpha * a).add_(alpha * a * p)
    noise.mul_(a)
    return input.mul_(noise).add_(shift) if inplace else input * noise + shift


def alpha_dropout(input, p=0.5, training=False, inplace=False):
    """dropout that keeps mean and variance of what SELU gives."""
    return _drop_alpha(input, input.shape, p, training, inplace)


def feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """alpha_dropout of whole channels of (N, C, *)."""
    return _drop_alpha(input, input.shape[:2] + (1,) * (input.dim() - 2), p, training, inplace)


# ---- Pooling, shapes -----------------------------------------------------------------------------

def _one(value, name="kernel_size"):
    """A number from a number or a sequence of one."""
    if isinstance(value, (tuple, list)):
        if len(value) != 1:
            raise RuntimeError(
                f"{name} must be a single int, or a tuple of one int, but got {tuple(value)}"
            )
        return value[0]
    return value


def _as_image(input, what):
    """(N, C, L) or (C, L) with a height of one."""
    if input.dim() not in (2, 3):
        raise RuntimeError(f"{what}: Expected 2D or 3D input tensor, but got {list(input.shape)}")
    return input.unsqueeze(-2)


def max_pool1d(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """The greatest of every window of (N, C, L) or (C, L)."""
    stride = None if stride is None or stride == [] else (1, _one(stride))
    result = max_pool2d(
        _as_image(input, "max_pool1d"),
        (1, _one(kernel_size)),
        stride,
        (0, _one(padding)),  # noqa: F821
        (1, _one(dilation)),
        ceil_mode=ceil_mode,
        return_indices=return_indices,
    )
    return tuple(t.squeeze(-2) for t in result) if return_indices else result.squeeze(-2)


def max_pool1d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """max_pool1d and the positions of what it found."""
    return max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool2d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """max_pool2d and the positions of what it found."""
    return max_pool2d(
        input, kernel_size, stride, padding, dilation, ceil_mode=ceil_mode, return_indices=True
    )  # noqa: F821


def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """The mean of every window of (N, C, L) or (C, L)."""
    stride = None if stride is None or stride == () or stride == [] else (1, _one(stride))
    return avg_pool2d(
        _as_image(input, "avg_pool1d"),
        (1, _one(kernel_size)),
        stride,
        (0, _one(padding)),  # noqa: F821
        ceil_mode,
        count_include_pad,
    ).squeeze(-2)


def adaptive_avg_pool1d(input, output_size):
    """The means of output_size windows of (N, C, L) or (C, L)."""
    return adaptive_avg_pool2d(
        _as_image(input, "adaptive_avg_pool1d"), (1, _one(output_size))
    ).squeeze(
        -2
    )  # noqa: F821


def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """The p-norm of every window of (N, C, L) or (C, L)."""
    sums = avg_pool1d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return (
        (flambeau.sign(sums) * relu(sums.abs())).mul(_one(kernel_size)).pow(1.0 / norm_type)
    )  # noqa: F821


def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """The p-norm of every window of (N, C, H, W) or (C, H, W)."""
    sums = avg_pool2d(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)  # noqa: F821
    count = math.prod(_pair(kernel_size))
    return (flambeau.sign(sums) * relu(sums.abs())).mul(count).pow(1.0 / norm_type)  # noqa: F821


def _pair(value):
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def _windows(size, kernel, dilation, padding, stride):
    """How many windows fit into a padded length."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """Every window of (N, C, H, W) or (C, H, W) as a column: (N, C * kH * kW, windows)."""
    (kh, kw), (dh, dw), (ph, pw), (sh, sw) = map(_pair, (kernel_size, dilation, padding, stride))
    if input.dim() == 3:
        return unfold(input.unsqueeze(0), kernel_size, dilation, padding, stride).squeeze(0)
    if input.dim() != 4:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero"
            f" dimensions for input, but got: {list(input.shape)}"
        )
    rows, cols = _windows(input.size(2), kh, dh, ph, sh), _windows(input.size(3), kw, dw, pw, sw)
    if rows < 1 or cols < 1:
        raise RuntimeError(
            f"Given input with spatial size ({input.size(2)}, {input.size(3)}), kernel_size=({kh},"
            f" {kw}), dilation=({dh}, {dw}), padding=({ph}, {pw}), calculated shape of the array of"
            f" sliding blocks as ({rows}, {cols}), but its components must be at least one."
        )
    padded = pad(input, (pw, pw, ph, ph))  # noqa: F821
    parts = [
        padded[
            :,
            :,
            i * dh : i * dh + sh * (rows - 1) + 1 : sh,
            j * dw : j * dw + sw * (cols - 1) + 1 : sw,
        ]
        for i in range(kh)
        for j in range(kw)
    ]
    return flambeau.stack(parts, 2).reshape(input.size(0), input.size(1) * kh * kw, rows * cols)


def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """The sum of columns (N, C * kH * kW, windows) put back at their places: (N, C, *output_size).
    """
    (height, width), (kh, kw), (dh, dw), (ph, pw), (sh, sw) = map(
        _pair, (output_size, kernel_size, dilation, padding, stride))
    if input.dim() == 2:
        return fold(
            input.unsqueeze(0), output_size, kernel_size, dilation, padding, stride
        ).squeeze(0)
    rows, cols = _windows(height, kh, dh, ph, sh), _windows(width, kw, dw, pw, sw)
    if input.dim() != 3 or input.size(1) % (kh * kw) or input.size(2) != rows * cols:
        raise RuntimeError(
            f"Given output_size=({height}, {width}), kernel_size=({kh}, {kw}), expected input of"
            f" shape (N, C * {kh * kw}, {rows * cols}), but got {list(input.shape)}"
        )
    parts = input.reshape(input.size(0), -1, kh, kw, rows, cols)
    result = input.new_zeros((input.size(0), parts.size(1), height + 2 * ph, width + 2 * pw))
    for i in range(kh):
        for j in range(kw):
            result[
                :,
                :,
                i * dh : i * dh + sh * (rows - 1) + 1 : sh,
                j * dw : j * dw + sw * (cols - 1) + 1 : sw,
            ] += parts[:, :, i, j]
    return result[:, :, ph:ph + height, pw:pw + width]


def pixel_shuffle(input, upscale_factor):
    """(*, C r², H, W) to (*, C, H r, W r)."""
    r, (height, width) = upscale_factor, input.shape[-2:]
    if input.dim() < 3 or input.size(-3) % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square"
            f" of upscale_factor, but got input of shape {list(input.shape)} and upscale_factor={r}"
        )
    lead, channels = input.shape[:-3], input.size(-3) // (r * r)
    parts = input.reshape(-1, channels, r, r, height, width).permute(0, 1, 4, 2, 5, 3)
    return parts.reshape(*lead, channels, height * r, width * r)


def pixel_unshuffle(input, downscale_factor):
    """(*, C, H r, W r) to (*, C r², H, W)."""
    r = downscale_factor
    lead, (channels, height, width) = input.shape[:-3], input.shape[-3:]
    if height % r or width % r:
        raise RuntimeError(
            "pixel_unshuffle expects height and width to be divisible by downscale_factor, but got"
            f" input of shape {list(input.shape)} and downscale_factor={r}"
        )
    parts = input.reshape(-1, channels, height // r, r, width // r, r).permute(0, 1, 3, 5, 2, 4)
    return parts.reshape(*lead, channels * r * r, height // r, width // r)


def channel_shuffle(input, groups):
    """(N, C, *) with the channels of the groups dealt in turn."""
    if input.size(1) % groups:
        raise RuntimeError("Number of channels must be divisible by groups. Got "
                           f"{input.size(1)} channels and {groups} groups.")
    return (
        input.reshape(input.size(0), groups, -1, *input.shape[2:])
        .transpose(1, 2)
        .reshape(input.shape)
    )


# ---- Attention, distances ------------------------------------------------------------------------


def scaled_dot_product_attention(
    query,
    key,
    value,
    attn_mask=None,
    dropout_p=0.0,
    is_causal=False,
    *,
    scale=None,
    enable_gqa=False,
):
    """softmax(query keyᵀ scale + mask) value over (..., length, features); a bool mask is True
    where to look."""
    scale = 1 / math.sqrt(query.size(-1)) if scale is None else scale
    if is_causal:
        if attn_mask is not None:
            raise RuntimeError(
                "_scaled_dot_product_attention: Explicit attn_mask should not be set when"
                " is_causal=True"
            )
        attn_mask = flambeau.ones(
            query.size(-2), key.size(-2), dtype=flambeau.bool, device=query.device
        ).tril()
    if enable_gqa:
        key, value = (t.repeat_interleave(query.size(-3) // t.size(-3), -3) for t in (key, value))
    weights = query @ key.transpose(-2, -1) * scale
    if attn_mask is not None and attn_mask.dtype == flambeau.bool:
        weights = weights.masked_fill(~attn_mask, -math.inf)
    elif attn_mask is not None:
        weights = weights + attn_mask
    weights = weights.softmax(-1)
    if attn_mask is not None and attn_mask.dtype == flambeau.bool:
        weights = weights.masked_fill(
            ~attn_mask.any(-1, keepdim=True), 0.0
        )  # a row that may look nowhere
    if dropout_p > 0.0:
        weights = dropout(weights, dropout_p)  # noqa: F821
    return weights @ value


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """The cosine of the angle between x1 and x2 over dim; norms count as at least eps."""
    x1, x2 = flambeau.broadcast_tensors(x1, x2)
    n1, n2 = (t.norm(2, dim, keepdim=True).clamp_min(eps) for t in (x1, x2))
    return ((x1 / n1) * (x2 / n2)).sum(dim)


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """The p-norm of x1 - x2 + eps over the last dimension."""
    return (x1 - x2 + eps).norm(p, -1, keepdim)


# ---- Losses that compose -------------------------------------------------------------------------

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


def margin_ranking_loss(
    input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"
):
    """max(0, -target * (input1 - input2) + margin)."""
    if input1.dim() != input2.dim() or input1.dim() != target.dim():
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes:"
            f" input1: {input1.size()}, input2: {input2.size()}, target: {target.size()} "
        )
    return _reduce(
        (-target * (input1 - input2) + margin).clamp_min(0), reduction, size_average, reduce
    )


def hinge_embedding_loss(
    input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"
):
    """input where target is 1, max(0, margin - input) where it is -1."""
    near = flambeau.where(target != -1, input, 0.0)
    far = flambeau.where(target != 1, (margin - input).clamp_min(0), 0.0)
    return _reduce(near + far, reduction, size_average, reduce)


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


def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """log(1 + exp(-target * input))."""
    return _reduce((-target * input).exp().log1p(), reduction, size_average, reduce)


def multilabel_soft_margin_loss(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """The mean over classes (the last dimension) of binary cross entropy with logits."""
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return _reduce(loss.sum(-1) / input.size(-1), reduction, size_average, reduce)


def multi_margin_loss(
    input, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """The mean over classes of max(0, margin - input[target] + input[class])^p; input (N, C) or
    (C)."""
    if p != 1 and p != 2:
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
    index = target.unsqueeze(-1)
    loss = (margin - input.gather(-1, index) + input).clamp_min(0).pow(p)
    if weight is not None:
        loss = loss * weight[target].unsqueeze(-1)
    own = one_hot(target, input.size(-1)).to(flambeau.bool)  # noqa: F821
    return _reduce(
        loss.masked_fill(own, 0.0).sum(-1) / input.size(-1), reduction, size_average, reduce
    )


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


def __getattr__(name):
    """resize functions are rare and live in their own file."""
    if name in ("interpolate", "upsample", "upsample_nearest", "upsample_bilinear"):
        from flambeau.nn import _resize
        value = getattr(_resize, name)
        globals()[name] = value
        return value
    raise AttributeError(
        f"Flambeau has no torch.nn.functional.{name} yet"
        if not name.startswith("__")
        else f"module 'flambeau.nn.functional' has no attribute '{name}'"
    )


_PYTHON = {name: value for name, value in globals().items() if not name.startswith("__")}
_TABLE = {name: value for name, value in vars(_C._nn).items() if not name.startswith("_")}
globals().update(_TABLE)
