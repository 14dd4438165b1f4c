"""Short-time Fourier transforms: of the frames of a signal, and back by overlapping them."""

import warnings

import flambeau as fl
from flambeau import _C
from flambeau.functional._arguments import check_input

__all__ = ["stft", "istft"]

_GIVE_ONES = (
    "To suppress this warning and use a rectangular window, explicitly set "
    "`window=torch.ones(n_fft, device=<device>)`."
)
_OF_PARTS = (
    "stft with return_complex=False is deprecated. In a future pytorch release, stft will "
    "return complex tensors for all inputs, and return_complex=False will raise an error.\n"
    "Note: you can still call torch.view_as_real on the complex output to recover the old "
    "return format."
)


def stft(
    input,
    n_fft,
    hop_length=None,
    win_length=None,
    window=None,
    center=True,
    pad_mode="reflect",
    normalized=False,
    onesided=None,
    return_complex=None,
    align_to_window=None,
):
    """The transforms of overlapping frames of a signal (B?, L): (B?, frequencies, frames).

    onesided (default: where signal and window are real) keeps n_fft // 2 + 1 frequencies. Real
    signals need return_complex; False shows parts in a last dim (source: torch.stft).
    """
    check_input("stft", input)
    _check_lengths("stft", n_fft, hop_length, win_length)
    if window is None:
        _warn_once(
            "A window was not provided. A rectangular window will be applied,"
            "which is known to cause spectral leakage. "
            "Other windows such as torch.hann_window or torch.hamming_window are recommended to "
            "reduce spectral leakage." + _GIVE_ONES
        )
    hop_length = n_fft // 4 if hop_length is None else hop_length
    win_length = n_fft if win_length is None else win_length
    if center and align_to_window is not None:
        raise RuntimeError("stft align_to_window should only be set when center = false")
    if center:
        input = _padded(input, n_fft // 2, pad_mode)

    def refuse(what):
        raise RuntimeError(
            f"stft({_described(input, 'torch.{}Tensor[{}]')}, n_fft={n_fft}, "
            f"hop_length={hop_length}, win_length={win_length}, "
            f"window={_described(window, 'torch.{}Tensor{{[{}]}}')}, "
            f"normalized={int(normalized)}, onesided={_optional(onesided)}, "
            f"return_complex={_optional(return_complex)}, "
            f"align_to_window={_optional(align_to_window)}) : {what}"
        )

    is_complex = input.dtype.is_complex or (window is not None and window.dtype.is_complex)
    if return_complex is None:
        if not is_complex:
            raise RuntimeError(
                "stft requires the return_complex parameter be given for real inputs, and will "
                "further require that return_complex=True in a future PyTorch release."
            )
        return_complex = True
    elif not return_complex:
        _warn_once(_OF_PARTS)
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        refuse("expected a tensor of floating point or complex values")
    if input.dim() not in (1, 2):
        refuse("expected a 1D or 2D tensor")
    length = input.size(-1)
    if not 0 < n_fft <= length:
        refuse(f"expected 0 < n_fft < {length}, but got n_fft={n_fft}")
    if hop_length <= 0:
        refuse(f"expected hop_length > 0, but got hop_length={hop_length}")
    if not 0 < win_length <= n_fft:
        refuse(f"expected 0 < win_length <= n_fft, but got win_length={win_length}")
    if window is not None and tuple(window.shape) != (win_length,):
        refuse(
            f"expected a 1D window tensor of size equal to win_length={win_length}, but got "
            f"window with size {list(window.shape)}"
        )
    if onesided and is_complex:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    onesided = not is_complex if onesided is None else onesided
    span = win_length if align_to_window else n_fft
    frames = input.unfold(-1, span, hop_length)
    if span < n_fft:
        left = (n_fft - win_length) // 2
        frames = _C.constant_pad_nd(frames, [left, n_fft - win_length - left])
    if window is not None or win_length < n_fft:
        frames = frames * _window(window, win_length, n_fft, input)
    scale = n_fft**-0.5 if normalized else 1.0
    if frames.dtype.is_complex:
        y = _C._fft_c2c(frames, [frames.dim() - 1], scale, True)
    else:
        y = _C._fft_r2c(frames, [frames.dim() - 1], scale, onesided)
    y = y.transpose(-2, -1)
    return y if return_complex else _C.view_as_real(y)


def istft(
    input,
    n_fft,
    hop_length=None,
    win_length=None,
    window=None,
    center=True,
    normalized=False,
    onesided=None,
    length=None,
    return_complex=False,
):
    """The signal of which stft made input (B?, frequencies, frames): (B?, L).

    Where frames overlap, the signal that fits them best by least squares (source: torch.istft).
    """
    check_input("istft", input)
    _check_lengths("istft", n_fft, hop_length, win_length)
    if window is None:
        _warn_once(
            "A window was not provided. A rectangular window will be applied."
            "Please provide the same window used by stft to make the inversion lossless."
            + _GIVE_ONES
        )
    hop_length = n_fft // 4 if hop_length is None else hop_length
    win_length = n_fft if win_length is None else win_length
    described = (
        f"istft({_described(input, 'CPU{}Type[{}]')}, n_fft={n_fft}, "
        f"hop_length={hop_length}, win_length={win_length}, "
        f"window={_described(window, 'torch.{}Tensor{{[{}]}}')}, center={int(center)}, "
        f"normalized={int(normalized)}, onesided={_optional(onesided)}, "
        f"length={_optional(length)}, return_complex={int(return_complex)}) "
    )

    def refuse(what):
        raise RuntimeError(f"{described}: {what}")

    if not input.dtype.is_complex:
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with "
            "return_complex=True."
        )
    if input.numel() == 0:
        refuse("input tensor cannot be empty.")
    if input.dim() not in (2, 3):
        refuse(f"expected a tensor with 3 or 4 dimensions, but got {input.dim() + 1}")
    count, frames = input.size(-2), input.size(-1)
    if onesided is None:
        onesided = count != n_fft
    if onesided and count != n_fft // 2 + 1:
        refuse(
            "expected the frequency dimension (3rd to the last) of the input tensor to match "
            f"n_fft / 2 + 1 when onesided=True, but got {count}"
        )
    if not onesided and count != n_fft:
        refuse(
            "expected the frequency dimension (3rd to the last) of the input tensor to match "
            f"n_fft when onesided=False, but got {count}"
        )
    if not 0 < hop_length <= win_length:
        refuse("expected 0 < hop_length <= win_length")
    if not 0 < win_length <= n_fft:
        refuse("expected 0 < win_length <= n_fft")
    if window is not None and tuple(window.shape) != (win_length,):
        refuse("Invalid window shape. window has to be 1D and length of `win_length`")
    is_complex_window = window is not None and window.dtype.is_complex
    if return_complex and onesided:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    if not return_complex and is_complex_window:
        raise RuntimeError("Complex windows are incompatible with return_complex=False")
    window = _window(window, win_length, n_fft, input)
    batch = input if input.dim() == 3 else input.unsqueeze(0)
    batch = batch.transpose(1, 2)
    scale = n_fft**-0.5 if normalized else 1.0 / n_fft
    if return_complex:
        y = _C._fft_c2c(batch, [2], scale, False)
    else:
        half = batch if onesided else batch.narrow(-1, 0, n_fft // 2 + 1)
        y = _C._fft_c2r(half, [2], scale, n_fft)
    y = _overlapped(y * window.reshape(1, 1, n_fft), hop_length)
    squares = (window * window).expand(1, frames, n_fft)
    weight = _overlapped(squares, hop_length)
    total = n_fft + hop_length * (frames - 1)
    start = n_fft // 2 if center else 0
    if length is not None:
        end = min(start + length, total)
    else:
        end = total - (n_fft // 2 if center else 0)
    y, weight = y[:, start:end], weight[:, start:end]
    if weight.numel() and not weight.abs().min().item() > 1e-11:
        raise RuntimeError(f"{described}window overlap add min: 1")
    y = y / weight
    if input.dim() == 2:
        y = y.squeeze(0)
    if length is not None and end - start < length:
        warnings.warn(
            "The length of signal is shorter than the length parameter. Result is being padded "
            "with zeros in the tail. Please check your center and hop_length settings.",
            stacklevel=2,
        )
        y = _C.constant_pad_nd(y, [0, length - (end - start)])
    return y


def _overlapped(frames, hop):
    """The sum of frames (B, count, n), each hop after the one before: (B, length)."""
    batch, count, n = frames.shape
    places = _C.arange(count).reshape(-1, 1) * hop + _C.arange(n)
    y = frames.new_zeros((batch, n + hop * (count - 1)))
    return y.index_add(1, places.reshape(-1), frames.reshape(batch, -1))


def _window(window, win_length, n_fft, input):
    """The window (default: ones) in the middle of n_fft points."""
    if window is None:
        dtype = {fl.complex64: fl.float32, fl.complex128: fl.float64}.get(input.dtype, input.dtype)
        window = _C.ones(win_length, dtype=dtype)
    left = (n_fft - win_length) // 2
    if win_length < n_fft:
        window = _C.constant_pad_nd(window, [left, n_fft - win_length - left])
    return window


def _padded(input, width, mode):
    """input (B?, L) with so many points before and after it."""
    shape = tuple(input.shape)
    deep = input.reshape((1,) * (3 - len(shape)) + shape)
    deep = fl.nn.functional.pad(deep, (width, width), mode)
    return deep.reshape(deep.shape[3 - len(shape) :])


def _check_lengths(name, n_fft, hop_length, win_length):
    given = {"n_fft": n_fft, "hop_length": hop_length, "win_length": win_length}
    for what, value in given.items():
        if value is None and what != "n_fft":
            continue
        if not hasattr(value, "__index__"):
            kind = type(value).__name__
            raise TypeError(f"{name}(): argument '{what}' must be int, not {kind}")


def _described(t, form):
    if t is None:
        return "None"
    return form.format(t.type()[len("torch.") : -len("Tensor")], ", ".join(map(str, t.shape)))


def _optional(value):
    return "None" if value is None else int(value)


_warned = set()


def _warn_once(what):
    """A warning of the caller's caller, the first time."""
    if what not in _warned:
        _warned.add(what)
        warnings.warn(what, stacklevel=3)
