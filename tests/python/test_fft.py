"""torch.fft, stft and istft. All values and errors are PyTorch's."""
import math
import re

import pytest

import flambeau as torch
from flambeau import _C

F = torch.fft

# n -> numbers n // 3, n // 2 and n - 1 of signal(n)'s transform, in float64; of two dims and short
# time: what -> its shape and elements 0, 1 and -2.
FFT = {
    1: [(-5-3j), (-5-3j), (-5-3j)],
    2: [-1j, (-10-5j), (-10-5j)],
    3: [(-3.7679492-11.7942286j), (-3.7679492-11.7942286j), (-7.2320508+3.7942286j)],
    4: [(3-7j), (-15-3j), (-5+1j)],
    5: [(-1.421384-3.5553504j), (-10.8440003-16.5328983j), (-1.870412+3.8815883j)],
    6: [(0.9641016-15.7942286j), (-15-1j), (0.2320508+3.330127j)],
    7: [(5.7150227-5.9219847j), (-16.7153879-9.7239817j), (1.7758854-1.0208787j)],
    8: [(4-5j), (-10+1j), (-4-2.5147186j)],
    9: [(-2.8660254-8.5j), (-26.9838782-6.8623111j), (1.2575914-2.7155372j)],
    10: [(-0.2509606-18.6716556j), 3j, (-3.53057-1.5266103j)],
    11: [(13.5191648-11.109757j), (-28.0628105+3.6619721j), (-4.6401927-2.1395074j)],
    12: [(-9.1961524-12.4641016j), (4-2j), (-6.9019238+3.9019238j)],
    13: [(-2.7743698-13.6204933j), (-31.8363007+13.011906j), (1.275176+3.621006j)],
    14: [(5.0193878-19.4078474j), (13+0j), (-0.7394469+2.3530694j)],
    15: [(-0.9641016-5.1339746j), (-30.1098726+21.4559045j), (0.5775585-1.6359322j)],
    16: [(-11.2273781-13.5968299j), (16-5j), (-0.4127705+0.1195561j)],
    17: [(1.2047503-24.912134j), (-22.3517917+27.0057412j), (-1.360325+0.3176427j)],
    31: [(-1.7315162-4.5980746j), (4.9660068+3.2275391j), (3.7481008-1.0436047j)],
    97: [(0.8108242-8.4268359j), (3.7481646-0.9889211j), (3.9518991+1.006318j)],
    120: [(-6.4641016-11.1961524j), 1j, (-0.0993073-3.0028965j)],
    128: [(-0.6528893-6.5933123j), (13-5j), (0.9089016-0.9038097j)],
    1000: [(0.4309759-13.2812012j), -1j, (-0.0062044+1.000059j)],
}
OF_TWO_DIMS = {
    'F.fft2(x)': ((4, 6), [(-22-1j), (4.0717968-5.660254j), (-3.169873+16.3467875j)]),
    'F.ifft2(x)':
     ((4, 6), [(-0.9166667-0.0416667j), (0.7470085+0.4858439j), (-0.132078-0.8374198j)]),
    "F.fftn(x, norm='ortho')":
     ((4, 6), [(-4.4907312-0.2041241j), (0.831152-1.1553945j), (-0.6470476+3.336774j)]),
    "F.ifftn(x, norm='forward')":
     ((4, 6), [(-22-1j), (17.9282032+11.660254j), (-3.169873-20.0980762j)]),
    'F.fft(x, n=4)': ((4, 4), [(-3-3j), (3-7j), (-13+4j)]),
    "F.fft(x, n=9, dim=0, norm='forward')":
     ((9, 6), [(-0.3333333+0j), (0.2222222-0.1111111j), (-0.1177574-0.7194021j)]),
    'F.ifft(x, dim=0)': ((4, 6), [(-0.75+0j), (0.5-0.25j), (-1-0.25j)]),
    'F.rfft(R)': ((4, 4), [(-7+0j), (-1.5-4.330127j), (-5+0j)]),
    "F.rfft(R, n=5, norm='ortho')":
     ((4, 3), [(-2.236068+0j), (-0.736068-1.66295j), (0.381966-3.2017918j)]),
    'F.ihfft(R)': ((4, 4), [(-1.1666667+0j), (-0.25+0.7216878j), (-0.8333333+0j)]),
    'F.irfft(x)': ((4, 10), [-0.7, 0.3162442, 1.1157232]),
    'F.irfft(x, n=7)': ((4, 7), [-0.1428571, -0.0255233, 1.2923017]),
    "F.irfft(x, n=5, dim=0, norm='ortho')": ((5, 6), [3.1304952, -4.9193496, -1.4249084]),
    'F.hfft(x)': ((4, 10), [-7.0, 7.3096944, 10.259176]),
    'F.hfft(x, n=7)': ((4, 7), [-1.0, 2.6049187, -5.9711125]),
    'F.rfft2(R)': ((4, 4), [(-22+0j), (11-8.660254j), (-11.830127-11.2224319j)]),
    'F.rfftn(R, s=(3, 8))':
     ((3, 5), [(-17+0j), (12.363961+0.1213203j), (-12.3089648-26.3874205j)]),
    'F.irfft2(x)': ((4, 10), [-1.0, 0.6761992, -0.0838907]),
    "F.irfftn(x, s=(5, 7), norm='forward')": ((5, 7), [-19.0, 21.509326, 13.3206273]),
    'F.hfft2(x)': ((4, 10), [-40.0, 12.7291197, 11.4913385]),
    'F.hfftn(x, s=(-1, 5))': ((4, 5), [-5.0, -1.1630841, -0.1978213]),
    'F.ihfft2(R)': ((4, 4), [(-0.9166667+0j), (0.4583333+0.3608439j), (-0.492922+0.4676013j)]),
    'F.ihfftn(R, dim=(1, 0))':
     ((3, 6), [(-0.9166667+0j), (0.4583333+0.3608439j), (0.375-0.2165064j)]),
    'F.fftshift(R)': ((4, 6), [-2.0, -2.0, -4.0]),
    'F.ifftshift(R, dim=1)': ((4, 6), [1.0, -2.0, 5.0]),
    'F.fftfreq(5, d=0.5)': ((5,), [0.0, 0.4, -0.8]),
    'F.rfftfreq(6)': ((4,), [0.0, 0.1666667, 0.3333333]),
    'F.fft(torch.arange(6))': ((6,), [(15+0j), (-3+5.1961522j), (-3-1.7320508j)]),
}
SHORT_TIME = {
    'torch.stft(s, 6, window=w, return_complex=True)': ((4, 25), [(0.5+0j), (-0.25+0j), (-12+0j)]),
    'torch.stft(s, 8, 3, 6, w, normalized=True, return_complex=True)':
     ((5, 9), [(0.1767767+0j), (-0.9722718+0j), (3.1819805+0j)]),
    'torch.stft(s, 8, 3, 6, w, center=False, onesided=False, return_complex=True)':
     ((8, 6), [(-3.5+0j), (-1.25+0j), (2.5303301-0.3409903j)]),
    "torch.stft(s, 6, window=w, pad_mode='constant', return_complex=False)":
     ((4, 25, 2), [-2.25, 0.0, 5.0]),
    'torch.stft(s, 8, 3, 6, w, center=False, align_to_window=True, return_complex=True)':
     ((5, 7), [(-2.75+0j), (-2.75+0j), (-10.25+0j)]),
    'torch.stft(x[:2].reshape(1, -1), 6, 2, window=w)':
     ((1, 6, 7), [(0.5+0j), (-1.25+0j), (6.3325318+2.1740381j)]),
    's.stft(6, window=w, return_complex=True).istft(6, window=w)': ((24,), [-5.0, 5.0, -5.0]),
    'torch.istft(torch.stft(s, 8, 3, 6, w, normalized=True, return_complex=True), 8, 3, 6, w, '
     'normalized=True, length=20)':
     ((20,), [-5.0, 5.0, -4.0]),
    'torch.istft(x[:, :3].T.reshape(1, 3, 4), 4, window=torch.ones(4, dtype=torch.float64))':
     ((1, 3), [-1.5833333, 1.5, 1.5]),
    'torch.istft(x, 4, 2, window=torch.ones(4, dtype=torch.float64), return_complex=True)':
     ((10,), [(0.625-0.625j), (-0.125-1.875j), (0.125+0.625j)]),
}
ERRORS = [
    ('F.rfft(x)', RuntimeError, 'rfft expects a real input tensor, but got ComplexDouble'),
    ('F.ihfft(x)', RuntimeError, 'ihfft expects a real input tensor, but got ComplexDouble'),
    ('F.rfftn(x)', RuntimeError,
     'rfftn expects a real-valued input tensor, but got ComplexDouble'),
    ('F.ihfftn(x)', RuntimeError, 'Only supports floating-point dtypes, but found: ComplexDouble'),
    ('F.fft(R, n=0)', RuntimeError, 'Invalid number of data points (0) specified'),
    ("F.fft(R, norm='x')", RuntimeError, 'Invalid normalization mode: "x"'),
    ('F.fft(R.half())', RuntimeError, 'Unsupported dtype Half'),
    ('F.rfft(R.bfloat16())', RuntimeError, 'Unsupported dtype BFloat16'),
    ('F.fft(torch.tensor(1.0))', IndexError,
     'Dimension specified as -1 but tensor has no dimensions'),
    ('F.fft(R, dim=3)', IndexError,
     'Dimension out of range (expected to be in range of [-2, 1], but got 3)'),
    ('F.irfft(x[:, :1])', RuntimeError, 'Invalid number of data points (0) specified'),
    ('F.fftn(R, s=(2,), dim=(0, 1))', RuntimeError,
     'When given, dim and shape arguments must have the same length'),
    ('F.fftn(R, s=(2, 2, 2))', RuntimeError,
     'Got shape with 3 values but input tensor only has 2 dimensions.'),
    ('F.fftn(R, dim=(0, 0))', RuntimeError, 'FFT dims must be unique'),
    ('F.irfftn(R, dim=())', RuntimeError, 'irfftn must transform at least one axis'),
    ('F.fft2(R[0])', IndexError,
     'Dimension out of range (expected to be in range of [-1, 0], but got -2)'),
    ('F.fft(R, out=torch.empty(2))', RuntimeError,
     'fft expects a complex output tensor, but got Float'),
    ('F.irfft(R, out=x.clone())', RuntimeError,
     'irfft expects a floating point output tensor, but got ComplexDouble'),
    ('F.fftfreq(5, dtype=torch.int32)', RuntimeError,
     'fftfreq requires a floating point or complex dtype'),
    ('F.fft(3)', TypeError, "fft_fft(): argument 'input' (position 1) must be Tensor, not int"),
    ('torch.stft(s, 6, window=w)', RuntimeError,
     'stft requires the return_complex parameter be given for real inputs, and will further'
     ' require that return_complex=True in a future PyTorch release.'),
    ('torch.stft(s, 40, window=torch.ones(40), center=False, return_complex=True)', RuntimeError,
     'stft(torch.DoubleTensor[24], n_fft=40, hop_length=10, win_length=40, '
     'window=torch.FloatTensor{[40]}, normalized=0, onesided=None, return_complex=1, '
     'align_to_window=None) : expected 0 < n_fft < 24, but got n_fft=40'),
    ('torch.stft(s, 6, 0, window=w, return_complex=True)', RuntimeError,
     'stft(torch.DoubleTensor[30], n_fft=6, hop_length=0, win_length=6, '
     'window=torch.DoubleTensor{[6]}, normalized=0, onesided=None, return_complex=1, '
     'align_to_window=None) : expected hop_length > 0, but got hop_length=0'),
    ('torch.stft(s, 6, window=w[:3], return_complex=True)', RuntimeError,
     'stft(torch.DoubleTensor[30], n_fft=6, hop_length=1, win_length=6, '
     'window=torch.DoubleTensor{[3]}, normalized=0, onesided=None, return_complex=1, '
     'align_to_window=None) : expected a 1D window tensor of size equal to win_length=6, '
     'but got window with size [3]'),
    ('torch.stft(x[0], 4, 1, window=w[:4], onesided=True)', RuntimeError,
     'Cannot have onesided output if window or input is complex'),
    ('torch.istft(R, 6, window=w)', RuntimeError,
     'istft requires a complex-valued input tensor matching the output from stft with '
     'return_complex=True.'),
    ('torch.istft(x, 4, 2, window=w, win_length=6)', RuntimeError,
     'istft(CPUComplexDoubleType[4, 6], n_fft=4, hop_length=2, win_length=6, '
     'window=torch.DoubleTensor{[6]}, center=1, normalized=0, onesided=None, length=None, '
     'return_complex=0) : expected 0 < win_length <= n_fft'),
    ('torch.istft(x, 6, 2, window=torch.zeros(6))', RuntimeError,
     'istft(CPUComplexDoubleType[4, 6], n_fft=6, hop_length=2, win_length=6, '
     'window=torch.FloatTensor{[6]}, center=1, normalized=0, onesided=None, length=None, '
     'return_complex=0) window overlap add min: 1'),
    ('torch.istft(x, 4, 2, window=torch.zeros(4))', RuntimeError,
     'istft(CPUComplexDoubleType[4, 6], n_fft=4, hop_length=2, win_length=4, '
     'window=torch.FloatTensor{[4]}, center=1, normalized=0, onesided=None, length=None, '
     'return_complex=0) window overlap add min: 1'),
]


def signal(n):
    numbers = [complex((7 * k * k + 3 * k) % 11 - 5, (5 * k) % 7 - 3) for k in range(n)]
    return torch.tensor(numbers, dtype=torch.complex128)


def calls():
    """What the expressions above name."""
    x = signal(24).reshape(4, 6)
    return {
        "F": F,
        "torch": torch,
        "x": x,
        "R": x.real,
        "s": x.real.reshape(-1),
        "w": torch.hann_window(6, dtype=torch.float64),
    }


def by_definition(x):
    n = len(x)
    turn = 2 * math.pi / n
    root = [complex(math.cos(turn * k), -math.sin(turn * k)) for k in range(n)]
    return [sum(x[j] * root[j * k % n] for j in range(n)) for k in range(n)]


@pytest.mark.parametrize("n", FFT)
def test_lengths(n):
    x = signal(n)
    y = F.fft(x)
    assert [y[k].item() for k in (n // 3, n // 2, n - 1)] == pytest.approx(FFT[n], abs=2e-7)
    if n <= 128:
        assert y.tolist() == pytest.approx(by_definition(x.tolist()), abs=1e-10)
    assert F.ifft(y).tolist() == pytest.approx(x.tolist(), abs=1e-13)
    half = F.rfft(x.real)
    assert half.tolist() == pytest.approx(F.fft(x.real).tolist()[: n // 2 + 1], abs=1e-11)
    assert F.irfft(half, n).tolist() == pytest.approx(x.real.tolist(), abs=1e-13)
    narrow = F.fft(x.to(torch.complex64))
    error = (narrow.to(y.dtype) - y).abs().square().sum().sqrt() / y.abs().square().sum().sqrt()
    assert narrow.dtype is torch.complex64 and error < 4 * 2**-24  # as PyTorch's is, n up to 1000


@pytest.mark.parametrize("n", [2, 6, 7, 12, 16, 34, 64, 74, 96, 97, 250])
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_a_line_does_not_depend_on_the_others_or_on_where_it_lies(n, dtype):
    x = signal(11 * n * 3).reshape(11, n, 3).to(dtype)
    x[4, :, 1] = float("nan")  # the neighbours stay as they are
    for make in F.fft, F.ifft, lambda t, dim: F.rfft(t.real, dim=dim), F.irfft, F.hfft:
        y = make(x, dim=1)
        across = make(x.transpose(0, 1).contiguous(), dim=0)
        last = make(x.transpose(1, 2).contiguous(), dim=-1)
        for i in 0, 3, 10:
            alone = make(x[i, :, 2].contiguous(), dim=0)
            for same in y[i, :, 2], across[:, i, 2], last[i, 2]:
                assert same.tolist() == alone.tolist()
        assert y[4, :, 1].isnan().any()


def test_all_numbers_of_a_real_tensor_are_those_of_a_complex_one():
    x = signal(5 * 6 * 7).reshape(5, 6, 7).real
    for dims in (0,), (1,), (2,), (2, 0), (0, 1, 2), (1, 2):
        for t in x, x.transpose(0, 2):
            y = _C._fft_r2c(t, dims, 1.0, False)
            expected = F.fftn(t + 0j, dim=dims)
            assert y.shape == expected.shape and (y - expected).abs().max() < 1e-12


def test_plans_that_stay_are_not_mixed_up():
    lengths = [*range(1, 40)] * 2 + [16, 16, 32, 16]
    for n in lengths:
        x = signal(n)
        assert F.ifft(F.fft(x)).tolist() == pytest.approx(x.tolist(), abs=1e-13)
        assert F.irfft(F.rfft(x.real), n).tolist() == pytest.approx(x.real.tolist(), abs=1e-13)


@pytest.mark.parametrize("what", [*OF_TWO_DIMS, *SHORT_TIME])
@pytest.mark.filterwarnings("ignore")
def test_values(what):
    shape, some = {**OF_TWO_DIMS, **SHORT_TIME}[what]
    y = eval(what, calls())
    assert tuple(y.shape) == shape
    flat = y.reshape(-1)
    assert [flat[k].item() for k in (0, 1, -2)] == pytest.approx(some, abs=2e-6)


@pytest.mark.parametrize("what, kind, error", ERRORS)
@pytest.mark.filterwarnings("ignore")
def test_errors(what, kind, error):
    with pytest.raises(kind) as raised:
        eval(what, calls())
    assert str(raised.value).splitlines()[0] == error


def test_dtypes_and_out():
    assert F.fft(torch.ones(3)).dtype is torch.complex64
    assert F.rfft(torch.ones(3, dtype=torch.int32)).dtype is torch.complex64
    assert F.irfft(torch.ones(3, dtype=torch.float64)).dtype is torch.float64
    out = torch.empty(0, dtype=torch.complex64)
    assert F.fft(torch.ones(3), out=out) is out and out.tolist() == [3, 0, 0]
    with torch.autocast("cpu"):
        assert F.fft(torch.ones(2, dtype=torch.bfloat16)).dtype is torch.complex64
    assert F.fft(torch.ones(0, 3)).shape == (0, 3)
    assert F.fftn(torch.tensor(2.0)).item() == 2
    assert F.fftfreq(0).shape == (0,)
    with pytest.raises(TypeError, match="argument 'n' must be int, not float"):
        F.fft(torch.ones(3), n=2.5)


def test_large_primes_and_strides():
    x = signal(2 * 1009).reshape(2, 1009)
    assert F.ifft(F.fft(x)).sub(x).abs().max().item() < 1e-12
    y = F.fft(x.T, dim=0)
    assert torch.equal(y.T, F.fft(x))
    assert F.fft2(x).sub(F.fft(F.fft(x, dim=0), dim=1)).abs().max().item() < 1e-8


@pytest.mark.parametrize(
    "f", [F.fft, F.ifft, F.hfft, F.irfft, F.fft2, F.irfft2, F.hfft2, lambda x: F.irfft(x, n=2)]
)
def test_gradients_of_complex(f):
    x = signal(12).reshape(3, 4).requires_grad_()
    assert torch.autograd.gradcheck(f, (x,)) and torch.autograd.gradgradcheck(f, (x,))


@pytest.mark.parametrize("f", [F.fft, F.rfft, F.ihfft, F.rfft2, F.ihfft2])
@pytest.mark.parametrize("size", [4, 5])
def test_gradients_of_real(f, size):
    x = signal(3 * size).real.reshape(3, size).clone().requires_grad_()
    assert torch.autograd.gradcheck(f, (x,)) and torch.autograd.gradgradcheck(f, (x,))


def test_short_time_gradients_and_round_trip():
    w = torch.hann_window(8)
    x = torch.arange(40.0).sin().requires_grad_()
    y = torch.stft(x, 8, window=w, return_complex=True)
    assert y.shape == (5, 21) and y.stride() == (1, 5)
    back = torch.istft(y, 8, window=w, length=40)
    assert back.sub(x).abs().max().item() < 1e-6
    back.sum().backward()
    assert x.grad.tolist() == pytest.approx([1.0] * 40, abs=1e-5)


def test_warnings():
    x = torch.ones(16)
    with pytest.warns(UserWarning, match=re.escape("being padded with zeros in the tail")):
        y = torch.stft(x, 4, window=torch.ones(4), return_complex=True)
        assert torch.istft(y, 4, window=torch.ones(4), length=100).shape == (100,)
