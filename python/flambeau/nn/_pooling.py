"""Pooling as functions (source: torch.nn.functional)."""
from __future__ import annotations

import itertools
import math

import flambeau
from flambeau.nn._binding import _op, _quick

TYPE_CHECKING = False  # a type checker reads what follows; no program does
if TYPE_CHECKING:
    from flambeau.nn.common_types import _size_any_t


def _pair(value):
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


@_quick(6, "return_indices")
def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False,
               return_indices=False):
    """The greatest of every window of (N, C, H, W) or (C, H, W), and where it was if asked."""
    name = "max_pool2d_with_indices" if return_indices else "max_pool2d"
    stride = kernel_size if stride is None else stride
    return _op(name)(input, kernel_size, stride, padding, dilation, ceil_mode)


@_quick(7)
def avg_pool2d(input, kernel_size, stride=None, padding=0, ceil_mode=False,
               count_include_pad=True, divisor_override=None):
    """The mean of every window of (N, C, H, W) or (C, H, W)."""
    stride = kernel_size if stride is None else stride
    return _op("avg_pool2d")(
        input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def adaptive_avg_pool2d(input, output_size):
    """The means of output_size windows of (N, C, H, W) or (C, H, W); None keeps a size."""
    return _op("adaptive_avg_pool2d")(input, _sizes(output_size, input))


def adaptive_avg_pool3d(input, output_size):
    """The means of output_size windows of (N, C, D, H, W) or (C, D, H, W); None keeps a size."""
    size = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * 3
    if input.dim() not in (4, 5):
        raise RuntimeError("adaptive_avg_pool3d(): Expected 4D or 5D tensor, but got "
                           f"{list(input.shape)}")
    depth, height, width = (n if m is None else m for n, m in zip(input.shape[-3:], size))
    lead = input.shape[:-3]
    if input.dtype in (flambeau.float16, flambeau.bfloat16):
        return _pool_halves(input, (depth, height, width))
    planes = adaptive_avg_pool2d(input.flatten(0, -3).unsqueeze(1), (height, width))
    columns = planes.reshape(math.prod(lead), 1, input.size(-3), height * width)
    result = adaptive_avg_pool2d(columns, (depth, height * width))
    return result.reshape(*lead, depth, height, width)


def _pool_halves(input, sizes):
    """adaptive_avg_pool3d of half precision, which PyTorch rounds after each addition and each of
    three divisions, but not over whole volumes."""
    if sizes == (1, 1, 1):
        return input.mean((-3, -2, -1), keepdim=True)
    total = input.new_zeros((*input.shape[:-3], *sizes))
    starts, lengths = [], []
    for old, new in zip(input.shape[-3:], sizes):
        starts.append([i * old // new for i in range(new)])
        lengths.append([-((i + 1) * -old // new) - i * old // new for i in range(new)])
    for offsets in itertools.product(*(range(max(length, default=0)) for length in lengths)):
        term = input
        for dim, (start, length, k) in enumerate(zip(starts, lengths, offsets), -3):
            at = [s + min(k, n - 1) for s, n in zip(start, length)]
            at = input.new_tensor(at, dtype=flambeau.int64)
            outside = input.new_tensor([k >= n for n in length], dtype=flambeau.bool)
            outside = outside.reshape([-1] + [1] * (-1 - dim))
            term = term.index_select(dim, at).masked_fill(outside, 0)
        total = total + term
    for dim, length in enumerate(lengths, -3):
        length = input.new_tensor(length, dtype=flambeau.int64)
        total = total / length.reshape([-1] + [1] * (-1 - dim))
    return total


def _sizes(output_size, input):
    """Both sizes of an adaptive pool's output, with those of input for None."""
    height, width = _pair(output_size)
    return (
        input.size(-2) if height is None else height,
        input.size(-1) if width is None else width,
    )


@_quick(6, "return_indices")
def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False,
               return_indices=False):
    """The greatest of every window of (N, C, L) or (C, L), and where it was if asked."""
    name = "max_pool1d_with_indices" if return_indices else "max_pool1d"
    stride = kernel_size if stride is None else stride
    return _op(name)(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool1d_with_indices(input, kernel_size, stride=None, padding: _size_any_t = 0,
                            dilation: _size_any_t = 1, ceil_mode=False, return_indices=False):
    """max_pool1d and the positions of what it found."""
    return max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool2d_with_indices(input, kernel_size, stride=None, padding: _size_any_t = 0,
                            dilation: _size_any_t = 1, ceil_mode=False, return_indices=False):
    """max_pool2d and the positions of what it found."""
    return max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def adaptive_max_pool1d(input, output_size, return_indices=False):
    """The greatest of output_size windows of (N, C, L) or (C, L), and where it was if asked."""
    result = _op("adaptive_max_pool1d")(input, output_size)
    return result if return_indices else result[0]


def adaptive_max_pool1d_with_indices(input, output_size, return_indices=False):
    """adaptive_max_pool1d and the positions of what it found."""
    return adaptive_max_pool1d(input, output_size, True)


def adaptive_max_pool2d(input, output_size, return_indices=False):
    """The greatest of output_size windows of (N, C, H, W) or (C, H, W), and where it was if
    asked; None keeps a size."""
    result = _op("adaptive_max_pool2d")(input, _sizes(output_size, input))
    return result if return_indices else result[0]


def adaptive_max_pool2d_with_indices(input, output_size, return_indices=False):
    """adaptive_max_pool2d and the positions of what it found."""
    return adaptive_max_pool2d(input, output_size, True)


@_quick(6)
def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """The mean of every window of (N, C, L) or (C, L)."""
    stride = kernel_size if stride is None else stride
    return _op("avg_pool1d")(input, kernel_size, stride, padding, ceil_mode, count_include_pad)


@_quick(2)
def adaptive_avg_pool1d(input, output_size):
    """The means of output_size windows of (N, C, L) or (C, L)."""
    return _op("adaptive_avg_pool1d")(input, output_size)


# ---- Three spatial dims --------------------------------------------------------------------------

def _triple(value):
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * 3


@_quick(6, "return_indices")
def max_pool3d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False,
               return_indices=False):
    """The greatest of every window of (N, C, D, H, W) or (C, D, H, W), and where it was if asked.
    """
    name = "max_pool3d_with_indices" if return_indices else "max_pool3d"
    stride = kernel_size if stride is None else stride
    return _op(name)(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d_with_indices(input, kernel_size, stride=None, padding: _size_any_t = 0,
                            dilation: _size_any_t = 1, ceil_mode=False, return_indices=False):
    """max_pool3d and the positions of what it found."""
    return max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


@_quick(7)
def avg_pool3d(input, kernel_size, stride=None, padding=0, ceil_mode=False,
               count_include_pad=True, divisor_override=None):
    """The mean of every window of (N, C, D, H, W) or (C, D, H, W)."""
    stride = kernel_size if stride is None else stride
    return _op("avg_pool3d")(
        input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def adaptive_max_pool3d(input, output_size, return_indices=False):
    """The greatest of output_size windows of (N, C, D, H, W) or (C, D, H, W), and where it was if
    asked; None keeps a size."""
    size = [n if m is None else m for n, m in zip(input.shape[-3:], _triple(output_size))]
    result = _op("adaptive_max_pool3d")(input, size)
    return result if return_indices else result[0]


def adaptive_max_pool3d_with_indices(input, output_size, return_indices=False):
    """adaptive_max_pool3d and the positions of what it found."""
    return adaptive_max_pool3d(input, output_size, True)


# ---- Windows at random places --------------------------------------------------------------------

def _fractional(name, spatial, input, kernel_size, output_size, output_ratio, samples):
    if output_size is None:
        if output_ratio is None:
            raise ValueError(
                f"{name} requires specifying either an output_size or an output_ratio")
        ratios = output_ratio if isinstance(output_ratio, (tuple, list)) else (
            (output_ratio,) * spatial)
        output_size = [int(n * ratio) for n, ratio in zip(input.shape[-spatial:], ratios)]
    if samples is None:
        batch = 1 if input.dim() == spatial + 1 else input.size(0)
        samples = flambeau.rand(batch, input.size(-spatial - 1), spatial, dtype=input.dtype,
                                device=input.device)
    return _op(name)(input, kernel_size, output_size, samples)


def fractional_max_pool2d_with_indices(input, kernel_size, output_size=None, output_ratio=None,
                                       return_indices=False, _random_samples=None):
    """The greatest of output_size windows of (N, C, H, W) or (C, H, W) whose places are drawn, and
    where it was."""
    return _fractional("fractional_max_pool2d", 2, input, kernel_size, output_size, output_ratio,
                       _random_samples)


def fractional_max_pool2d(input, kernel_size, output_size=None, output_ratio=None,
                          return_indices=False, _random_samples=None):
    """fractional_max_pool2d_with_indices, the positions only if asked."""
    result = fractional_max_pool2d_with_indices(input, kernel_size, output_size, output_ratio,
                                                True, _random_samples)
    return result if return_indices else result[0]


def fractional_max_pool3d_with_indices(input, kernel_size, output_size=None, output_ratio=None,
                                       return_indices=False, _random_samples=None):
    """The greatest of output_size windows of (N, C, D, H, W) or (C, D, H, W) whose places are
    drawn, and where it was."""
    return _fractional("fractional_max_pool3d", 3, input, kernel_size, output_size, output_ratio,
                       _random_samples)


def fractional_max_pool3d(input, kernel_size, output_size=None, output_ratio=None,
                          return_indices=False, _random_samples=None):
    """fractional_max_pool3d_with_indices, the positions only if asked."""
    result = fractional_max_pool3d_with_indices(input, kernel_size, output_size, output_ratio,
                                                True, _random_samples)
    return result if return_indices else result[0]


# ---- Unpooling -----------------------------------------------------------------------------------

def _unpooled(input, kernel_size, stride, padding, output_size, spatial):
    """The sizes before a pool of these arguments, and its stride and padding, one for each dim."""
    def each(value):
        return tuple(value) if isinstance(value, (tuple, list)) else (value,) * spatial

    kernel, padding = each(kernel_size), each(padding)
    stride = kernel if stride is None else each(stride)
    sizes = [(n - 1) * s + k - 2 * p
             for n, s, k, p in zip(input.shape[-spatial:], stride, kernel, padding)]
    if output_size is None:
        return sizes, stride, padding
    given = list(output_size)[2:] if len(output_size) == spatial + 2 else list(output_size)
    if len(given) != spatial:
        raise ValueError(
            f"output_size should be a sequence containing {spatial} or {spatial + 2} elements,"
            f" but it has a length of '{len(given)}'")
    for d, (size, step) in enumerate(zip(sizes, stride)):
        if not size - step < given[d] < size + step:
            raise ValueError(f'invalid output_size "{output_size}" (dim {d} must be between'
                             f" {size - step} and {size + step})")
    return given, stride, padding


def max_unpool1d(input, indices, kernel_size, stride=None, padding: _size_any_t = 0,
                 output_size=None):
    """Zeros with the elements of input (N, C, L) or (C, L) where max_pool1d found them."""
    sizes, _, _ = _unpooled(input, kernel_size, stride, padding, output_size, 1)
    return _op("max_unpool2d")(input.unsqueeze(-1), indices.unsqueeze(-1), [*sizes, 1]).squeeze(-1)


def max_unpool2d(input, indices, kernel_size, stride=None, padding: _size_any_t = 0,
                 output_size=None):
    """Zeros with the elements of input (N, C, H, W) or (C, H, W) where max_pool2d found them."""
    sizes, _, _ = _unpooled(input, kernel_size, stride, padding, output_size, 2)
    return _op("max_unpool2d")(input, indices, sizes)


def max_unpool3d(input, indices, kernel_size, stride=None, padding: _size_any_t = 0,
                 output_size=None):
    """Zeros with the elements of input (N, C, D, H, W) or (C, D, H, W) where max_pool3d found
    them."""
    sizes, stride, padding = _unpooled(input, kernel_size, stride, padding, output_size, 3)
    return _op("max_unpool3d")(input, indices, sizes, stride, padding)


__all__ = [name for name, value in globals().items()  # the functions above
           if not name.startswith("_") and getattr(value, "__module__", None) == __name__]
