"""Complex tensors: making, parts, arithmetic, printing, promotion, gradients. Values are PyTorch's."""
import math
import subprocess
import sys

import pytest

import flambeau as torch


def values(t):
    return [complex(round(z.real, 4), round(z.imag, 4)) for z in t.detach().reshape(-1).tolist()]


Z = [1 + 2j, 3 - 4j]


def test_made_of_numbers_and_parts():
    z = torch.tensor(Z)
    assert z.dtype is torch.complex64 and z.tolist() == Z and z[1].item() == 3 - 4j
    assert torch.tensor([1, 2.5, 1j]).dtype is torch.complex64
    assert torch.full((2,), 1 + 2j).tolist() == [1 + 2j, 1 + 2j]
    assert torch.zeros(1, dtype=torch.cfloat).dtype is torch.complex64
    assert torch.ones(1, dtype=torch.cdouble).tolist() == [1 + 0j]
    assert torch.complex(torch.tensor([1.0]), torch.tensor([2.0])).tolist() == [1 + 2j]
    polar = torch.polar(torch.tensor([2.0]), torch.tensor([math.pi / 2]))
    assert values(polar) == [2j]
    with pytest.raises(TypeError, match="must be real number, not complex"):
        torch.tensor([1j], dtype=torch.float32)
    with pytest.raises(RuntimeError, match="got Float and Int"):
        torch.complex(torch.ones(1), torch.ones(1, dtype=torch.int32))


def test_printed_as_pytorch_prints():
    assert repr(torch.tensor(1 + 2j)) == "tensor(1.+2.j)"
    assert repr(torch.tensor([1.5 + 2j, -3.25 - 1e-3j, 0])) == (
        "tensor([ 1.5000+2.0000e+00j, -3.2500-1.0000e-03j,  0.0000+0.0000e+00j])")
    assert repr(torch.tensor(Z).to(torch.complex128)) == (
        "tensor([1.+2.j, 3.-4.j], dtype=torch.complex128)")


def test_parts_are_views():
    z = torch.tensor(Z)
    assert z.real.tolist() == [1, 3] and z.imag.tolist() == [2, -4]
    z.real.mul_(2)
    z.imag = torch.tensor([7.0, 8.0])
    assert z.tolist() == [2 + 7j, 6 + 8j]
    assert torch.view_as_real(z).tolist() == [[2, 7], [6, 8]]
    assert torch.view_as_complex(torch.tensor([[1.0, 2.0]])).tolist() == [1 + 2j]
    assert torch.real(torch.ones(1)).tolist() == [1]
    for f, text in ((lambda: torch.ones(1).imag, "imag is not implemented for tensors with non-co"),
                    (lambda: torch.view_as_real(torch.ones(1)), "only supported for complex tensors"),
                    (lambda: torch.view_as_complex(torch.ones(3)), "last dimension of size 2")):
        with pytest.raises(RuntimeError, match=text):
            f()


def test_arithmetic():
    z = torch.tensor(Z)
    assert (z * z).tolist() == [-3 + 4j, -7 - 24j]
    assert values(z / (1 + 1j)) == [1.5 + 0.5j, -0.5 - 3.5j]
    assert (z + 1).tolist() == [2 + 2j, 4 - 4j] and (2j * torch.ones(1)).tolist() == [2j]
    assert values(z.abs().to(torch.complex64)) == [2.2361, 5]
    assert values(z.sgn()) == [0.4472 + 0.8944j, 0.6 - 0.8j]
    assert z.conj().tolist() == [1 - 2j, 3 + 4j] and z.is_complex() and not z.is_conj()
    assert values(z.exp()) == [-1.1312 + 2.4717j, -13.1288 + 15.2008j]
    assert values(z.sqrt()) == [1.272 + 0.7862j, 2 - 1j]
    assert values(z**2) == [-3 + 4j, -7 - 24j]
    assert z.sum().item() == 4 - 2j and z.mean().item() == 2 - 1j and z.prod().item() == 11 + 2j
    assert z.cumsum(0).tolist() == [1 + 2j, 4 - 2j] and z.cumprod(0).tolist() == [1 + 2j, 11 + 2j]
    assert (z == z).tolist() == [True, True] and torch.allclose(z, z) and torch.equal(z, z)
    assert torch.vdot(z, z).item() == 30 and torch.dot(z, z).item() == -10 - 20j
    assert z.var().item() == 20


def test_products():
    a = torch.tensor([[1 + 1j, 2], [3, 4j]])
    assert (a @ a).tolist() == [[6 + 2j, 2 + 10j], [3 + 15j, -10]]
    assert (a.t() @ a).tolist() == [[9 + 2j, 2 + 14j], [2 + 14j, -12]]
    batch = torch.stack([a, a.conj()])
    assert (batch @ a).tolist() == [(a @ a).tolist(), (a.conj() @ a).tolist()]
    linear = torch.nn.functional.linear(a, a, torch.tensor([1j, 1]))
    assert linear.tolist() == (a @ a.t() + torch.tensor([1j, 1])).tolist()


def test_promotion():
    assert torch.promote_types(torch.complex64, torch.float64) is torch.complex128
    assert (torch.ones(1, dtype=torch.float64) * 1j).dtype is torch.complex128
    assert (torch.ones(1) * torch.tensor(1j, dtype=torch.complex128)).dtype is torch.complex64
    assert torch.result_type(torch.ones(1, dtype=torch.int32), 1j) is torch.complex64
    assert not torch.can_cast(torch.complex64, torch.float32)


@pytest.mark.parametrize("name", "lt max sort floor relu argmax _foreign".split())
def test_what_has_no_order_is_refused(name):
    z = torch.tensor(Z)
    calls = {"lt": lambda: z < z, "max": z.max, "sort": z.sort, "floor": z.floor, "relu": z.relu,
             "argmax": z.argmax, "_foreign": lambda: torch.arange(3, dtype=torch.complex64)}
    with pytest.raises(RuntimeError, match="not implemented for 'ComplexFloat'"):
        calls[name]()


def test_real_places_take_no_complex_numbers():
    with pytest.raises(RuntimeError, match="can't be cast to the desired output type Float"):
        torch.ones(2).add_(1j)
    with pytest.raises(RuntimeError, match="value cannot be converted to type float without overflow"):
        torch.ones(2).fill_(1j)
    with pytest.raises(RuntimeError, match="argument alpha must not be a complex number"):
        torch.add(torch.ones(1), torch.ones(1), alpha=1j)
    with pytest.raises(RuntimeError, match="value cannot be converted to type double without overflow"):
        float(torch.tensor(1j))


@pytest.mark.parametrize("f, expected", [
    (lambda z: z.abs().sum(), [0.4472 + 0.8944j, 0.6 - 0.8j]),
    (lambda z: (z * z).real.sum(), [2 - 4j, 6 + 8j]),
    (lambda z: z.exp().imag.sum(), [2.4717 - 1.1312j, 15.2008 - 13.1288j]),
    (lambda z: (z.conj() * z).real.sum(), [2 + 4j, 6 - 8j]),
    (lambda z: torch.view_as_real(z).pow(2).sum(), [2 + 4j, 6 - 8j]),
    (lambda z: z.angle().sum(), [-0.4 + 0.2j, 0.16 + 0.12j]),
    (lambda z: (z**2.5).abs().sum(), [3.7384 + 7.4767j, 16.7705 - 22.3607j]),
    (lambda z: (2j * z / (1 + z)).imag.sum(), [0.25j, -0.0625j]),
])
def test_gradients_follow_pytorch(f, expected):
    z = torch.tensor(Z, requires_grad=True)
    g, = torch.autograd.grad(f(z), z)
    assert values(g) == expected


def test_a_real_input_takes_the_real_part():
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    (x * torch.tensor(Z)).abs().sum().backward()
    assert x.grad.dtype is torch.float32 and x.grad.tolist() == pytest.approx([5**0.5, 5.0])
    z = torch.tensor(Z, requires_grad=True)
    with pytest.raises(RuntimeError, match="only for real scalar outputs but got torch.complex64"):
        z.sum().backward()


def test_random_parts_have_half_the_variance():
    torch.manual_seed(0)
    z = torch.randn(4, dtype=torch.complex64)
    assert values(z) == [1.0896 - 0.2075j, -1.5406 + 0.4019j, -0.7669 - 0.989j, 0.2852 + 0.5926j]
    assert abs(torch.randn(20000, dtype=torch.complex128).var().item() - 1) < 0.05


def test_writes_through_parts():
    z = torch.tensor([1 + 2j, 3 - 1j])
    z.real.mul_(2)
    z.imag = torch.zeros(2)
    assert z.tolist() == [2, 6]


def test_recorded_writes_through_parts():
    z0 = torch.tensor([1 + 2j, 3 - 4j], requires_grad=True)
    x = torch.tensor([2.0, 5.0], requires_grad=True)
    z = z0 * 1
    z.real.mul_(x)
    (z.abs() ** 2).sum().backward()
    assert values(z0.grad) == [8 + 4j, 150 - 8j] and values(x.grad) == [4, 90]
    z0.grad = x.grad = None
    z = z0 * 2
    z.imag = x * x
    (z * z * (1 + 1j)).sum().abs().backward()
    assert values(z0.grad) == [0.5165, 35.7734] and values(x.grad) == [50.5859, 704.8451]


def test_views_of_parts_made_before_a_write():
    z0 = torch.tensor([1 + 2j, 3 - 4j], requires_grad=True)
    z = z0 * 2
    part = z.real
    z.mul_(1j)
    (part**2).sum().backward()
    assert values(z0.grad) == [16j, -32j]


def test_recorded_writes_through_pairs():
    a = torch.arange(8.0, requires_grad=True)
    b = (a * 1).reshape(4, 2)
    torch.view_as_complex(b).mul_(1 + 2j)
    (b[:, 0] * b[:, 1]).sum().backward()
    assert a.grad.tolist() == [-3, -4, -1, -18, 1, -32, 3, -46]


def test_recorded_writes_into_constants():
    y = torch.ones(3, requires_grad=True)
    z = torch.zeros(2, 3, dtype=torch.complex64)
    z.real[1] = y * 3
    z.imag[0, 1] = y[0] * y[1]
    assert z.requires_grad
    (z * z).sum().abs().backward()
    assert y.grad.tolist() == [16, 16, 18]
    z = torch.zeros(3, dtype=torch.complex64)
    torch.view_as_real(z)[:, 1].copy_(y * 2)
    (g,) = torch.autograd.grad((z**3).sum().imag, y, create_graph=True)
    assert g.tolist() == [-24] * 3
    assert torch.autograd.grad(g.sum(), y)[0].tolist() == [-48] * 3


def test_lost_imaginary_parts_are_told_of_once():
    program = (
        "import warnings, flambeau as torch\n"
        "z = torch.ones(2, dtype=torch.complex64)\n"
        "with warnings.catch_warnings(record=True) as told:\n"
        "    warnings.simplefilter('always')\n"
        "    z.to(torch.float32), z.double(), torch.zeros(2).copy_(z), z.real\n"
        "print([(w.category.__name__, str(w.message)) for w in told])\n")
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == str([
        ("UserWarning", "Casting complex values to real discards the imaginary part")])


def test_convolutions():
    x = torch.tensor([[1, 1j, 2, -1j]], requires_grad=True)
    w = torch.tensor([[[1 + 1j, 2]]], requires_grad=True)
    b = torch.tensor([1 - 1j], requires_grad=True)
    y = torch.nn.functional.conv1d(x, w, b)
    assert values(y) == [2 + 2j, 4, 3 - 1j]
    y.abs().sum().backward()
    assert values(x.grad) == [1.4142, 2.4142 + 0.4142j, 2.6325 - 1.2649j, 1.8974 - 0.6325j]
    assert values(w.grad) == [2.6045 - 0.9253j, 3.0233 + 0.2416j]
    assert values(b.grad) == [2.6558 + 0.3909j]
    back = torch.nn.functional.conv_transpose1d(y.detach(), w.detach())
    assert values(back) == [4j, 8 + 8j, 12 + 2j, 6 - 2j]


def test_logarithms_of_sums():
    a = torch.tensor([1 + 2j, -float("inf")], requires_grad=True)
    y = torch.logaddexp(a, torch.tensor([0.5 - 1j, 2 + 1j]))
    assert values(y) == [0.105 + 1.789j, 2 + 1j]
    y[0].abs().backward()
    assert values(a.grad)[0] == 0.652 + 2.3589j
    a = torch.tensor([1 + 2j, 0.5 - 1j, 1j], requires_grad=True)
    y = torch.logcumsumexp(a, 0)
    assert values(y) == [1 + 2j, 0.105 + 1.789j, 0.6673 + 1.4163j]
    y.abs().sum().backward()
    assert values(a.grad) == [2.2905 + 3.9785j, -1.3708 - 1.6941j, 0.0123 + 0.5129j]


def test_times_powers_of_two():
    z = torch.tensor([1 + 1j, 2], requires_grad=True)
    y = torch.ldexp(z, torch.tensor([1j, 2]))
    assert values(y) == [0.1303 + 1.4082j, 8]
    y.abs().sum().backward()
    assert values(z.grad) == [0.7071 + 0.7071j, 4]


def test_spaced():
    assert values(torch.linspace(0, 1 + 2j, 3)) == [0, 0.5 + 1j, 1 + 2j]
    assert values(torch.logspace(0, 1 + 1j, 2, base=2)) == [1, 1.5385 + 1.2779j]
    with pytest.raises(RuntimeError, match="can't be safely cast"):
        torch.linspace(0, 1j, 3, dtype=torch.float32)


def test_scatter_that_multiplies():
    z = torch.tensor([1 + 1j, 2])
    index = torch.tensor([0, 0, 1])
    source = torch.tensor([1j, 2, 3 - 1j])
    assert values(z.scatter(0, index, source, reduce="multiply")) == [-2 + 2j, 6 - 2j]
    assert values(z.scatter(0, index, source, reduce="add")) == [3 + 2j, 5 - 1j]


def test_gradients_of_products_with_zeros_and_of_factors():
    g = torch.tensor(1 + 1j, dtype=torch.complex128)
    x = torch.tensor([[0, 1 + 2j, 3j], [1j, 2, 1 - 1j]], dtype=torch.complex128)
    x.requires_grad_()
    (slope,) = torch.autograd.grad(x.prod(1).sum(), x, g)
    assert values(slope) == [-3 - 9j, 0, 0, 4j, 2, 2 - 2j]
    a = torch.tensor([[4, 1 - 1j], [1 + 1j, 3]], dtype=torch.complex128, requires_grad=True)
    g = torch.tensor([[1j, 2], [1 + 2j, 1 + 3j]], dtype=torch.complex128)
    (slope,) = torch.autograd.grad(torch.linalg.cholesky(a), a, g)
    first, second = [-0.1480 + 0.4311j, -0.0662 - 0.6581j], [0.4081 + 0.1838j, 0.3162 + 0.9487j]
    assert values(slope) == first + second
