"""Window functions: PyTorch's values."""
import pytest

import flambeau as torch

CALLS = {
    "hann_window(5)": [0.0, 0.345492, 0.904508, 0.904508, 0.345491],
    "hann_window(4, False)": [0.0, 0.75, 0.75, 0.0],
    "hann_window(1)": [1.0],
    "hann_window(0)": [],
    "hamming_window(5)": [0.08, 0.397852, 0.912148, 0.912148, 0.397852],
    "hamming_window(4, False)": [0.08, 0.77, 0.77, 0.08],
    "hamming_window(1)": [1.0],
    "hamming_window(0)": [],
    "blackman_window(5)": [-0.0, 0.20077, 0.84923, 0.84923, 0.20077],
    "blackman_window(4, False)": [-0.0, 0.63, 0.63, -0.0],
    "blackman_window(1)": [1.0],
    "blackman_window(0)": [],
    "bartlett_window(5)": [0.0, 0.4, 0.8, 0.8, 0.4],
    "bartlett_window(4, False)": [0.0, 0.666667, 0.666667, 0.0],
    "bartlett_window(1)": [1.0],
    "bartlett_window(0)": [],
    "kaiser_window(5)": [5.3e-05, 0.10172, 0.792939, 0.792939, 0.10172],
    "kaiser_window(4, False)": [5.3e-05, 0.518845, 0.518845, 5.3e-05],
    "kaiser_window(1)": [1.0],
    "kaiser_window(0)": [],
    "signal.windows.bartlett(5)": [0.0, 0.5, 1.0, 0.5, 0.0],
    "signal.windows.bartlett(4, sym=False)": [0.0, 0.5, 1.0, 0.5],
    "signal.windows.bartlett(1)": [1.0],
    "signal.windows.blackman(5)": [-0.0, 0.34, 1.0, 0.34, -0.0],
    "signal.windows.blackman(4, sym=False)": [-0.0, 0.34, 1.0, 0.34],
    "signal.windows.blackman(1)": [1.0],
    "signal.windows.cosine(5)": [0.309017, 0.809017, 1.0, 0.809017, 0.309017],
    "signal.windows.cosine(4, sym=False)": [0.309017, 0.809017, 1.0, 0.809017],
    "signal.windows.cosine(1)": [1.0],
    "signal.windows.exponential(5)": [0.135335, 0.367879, 1.0, 0.367879, 0.135335],
    "signal.windows.exponential(4, sym=False)": [0.135335, 0.367879, 1.0, 0.367879],
    "signal.windows.exponential(1)": [1.0],
    "signal.windows.gaussian(5)": [0.135335, 0.606531, 1.0, 0.606531, 0.135335],
    "signal.windows.gaussian(4, sym=False)": [0.135335, 0.606531, 1.0, 0.606531],
    "signal.windows.gaussian(1)": [1.0],
    "signal.windows.general_hamming(5)": [0.08, 0.54, 1.0, 0.54, 0.08],
    "signal.windows.general_hamming(4, sym=False)": [0.08, 0.54, 1.0, 0.54],
    "signal.windows.general_hamming(1)": [1.0],
    "signal.windows.hamming(5)": [0.08, 0.54, 1.0, 0.54, 0.08],
    "signal.windows.hamming(4, sym=False)": [0.08, 0.54, 1.0, 0.54],
    "signal.windows.hamming(1)": [1.0],
    "signal.windows.hann(5)": [0.0, 0.5, 1.0, 0.5, 0.0],
    "signal.windows.hann(4, sym=False)": [0.0, 0.5, 1.0, 0.5],
    "signal.windows.hann(1)": [1.0],
    "signal.windows.kaiser(5)": [5.3e-05, 0.215673, 1.0, 0.215673, 5.3e-05],
    "signal.windows.kaiser(4, sym=False)": [5.3e-05, 0.215673, 1.0, 0.215673],
    "signal.windows.kaiser(1)": [1.0],
    "signal.windows.nuttall(5)": [0.000363, 0.226982, 1.0, 0.226982, 0.000363],
    "signal.windows.nuttall(4, sym=False)": [0.000363, 0.226982, 1.0, 0.226982],
    "signal.windows.nuttall(1)": [1.0],
}


@pytest.mark.parametrize("call", CALLS)
def test_values(call):
    assert eval("torch." + call).tolist() == pytest.approx(CALLS[call], abs=2e-6)


def test_dtypes_and_refusals():
    assert torch.hann_window(4, dtype=torch.float64).dtype == torch.float64
    assert torch.hann_window(4, requires_grad=True).requires_grad
    assert torch.signal.windows.hann(4, dtype=torch.float64, requires_grad=True).requires_grad
    with pytest.raises(RuntimeError, match="^hann_window expects floating point dtypes"):
        torch.hann_window(4, dtype=torch.int64)
    with pytest.raises(RuntimeError, match="^kaiser_window requires non-negative window_length"):
        torch.kaiser_window(-1)
    with pytest.raises(ValueError, match="^hann requires non-negative window length, got M=-1"):
        torch.signal.windows.hann(-1)
    with pytest.raises(ValueError, match="^Standard deviation must be positive, got: -1"):
        torch.signal.windows.gaussian(3, std=-1)
    with pytest.raises(ValueError, match="^Coefficients cannot be empty"):
        torch.signal.windows.general_cosine(3, a=[])


def test_windows_of_more_places_than_64_bits_count():
    side = (2**32, 2**32)
    for call in (lambda: torch.nn.functional.fold(torch.zeros(1, 4, 4), (4, 4), side),
                 lambda: torch.nn.functional.unfold(torch.zeros(1, 1, 4, 4), side, padding=2**33)):
        with pytest.raises(RuntimeError, match="product of kernel_width and kernel_height over"):
            call()
