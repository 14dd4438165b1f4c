"""Linear algebra of complex matrices: values and gradients, which are PyTorch's."""
import pytest

import flambeau as torch

L = torch.linalg
A = torch.tensor([[2 + 1j, 1 - 1j, 0.5j], [1j, 3 - 1j, 1], [0.5, -1j, 1 + 2j]],
                 dtype=torch.complex128)
B = torch.tensor([[1j], [2], [1 - 1j]], dtype=torch.complex128)
EYE = torch.eye(3, dtype=torch.complex128)


def polar(a):
    u, _, vh = L.svd(a)
    return u @ vh


def ldl(a):
    factor = L.ldl_factor((a + a.mH).detach(), hermitian=True)
    return L.ldl_solve(*factor, B, hermitian=True) * a.sum()


FUNCTIONS = {
    "cholesky": lambda a: L.cholesky(a @ a.mH + EYE),
    "inv": L.inv,
    "det": L.det,
    "solve": lambda a: L.solve(a, B),
    "solve_right": lambda a: L.solve(a, B.T, left=False),
    "triangular": lambda a: L.solve_triangular(a, B, upper=True),
    "sign": lambda a: L.slogdet(a)[0],
    "logabs": lambda a: L.slogdet(a)[1],
    "logdet": torch.logdet,
    "q": lambda a: L.qr(a)[0],
    "r": lambda a: L.qr(a)[1],
    "s": L.svdvals,
    "polar": polar,
    "eigvalsh": lambda a: L.eigvalsh(a + a.mH),
    "abs2": lambda a: L.eigh(a + a.mH)[1].abs(),
    "eigvals": L.eigvals,
    "veig": lambda a: L.eig(a)[1].abs(),
    "exp": L.matrix_exp,
    "pinv": lambda a: L.pinv(a[:, :2]),
    "lstsq": lambda a: L.lstsq(a[:, :2], B)[0],
    "lu": lambda a: L.lu_factor(a)[0],
    "lu_solve": lambda a: L.lu_solve(*L.lu_factor(a), B, adjoint=True),
    "nuc": lambda a: L.norm(a, "nuc"),
    "cond": L.cond,
    "chosolve": lambda a: torch.cholesky_solve(B, L.cholesky(a @ a.mH)),
    "ldl": ldl,
    "hh": lambda a: L.householder_product(a, a[0]),
}

# Values, and the gradients of the real part of their sum, weighted 1, 2, ... times 1 + 0.5j.
EXPECTED = {
    "cholesky": (
        "2.8723+0j 0 0 1.7408+1.2185j 2.9129+0j 0 1.0445-0.6963j 0.3537+0.3381j 2.3313+0j",
        "1.7163+1.0862j 0.9099+4.6272j -2.288+0.3583j 0.8899-1.33j 4.3904-4.5581j 1.0399+5.9376j "
        "1.657+0.8676j 3.7467-10.6274j 6.2107+5.3399j",
    ),
    "inv": (
        "0.5206-0.1711j -0.1298+0.1372j -0.1502-0.0972j -0.0006-0.1889j 0.3098+0.1228j "
        "-0.1298+0.1372j 0.0197+0.0455j 0.0849+0.0714j 0.1551-0.3914j",
        "0.108-0.2139j -0.2448+0.2926j -0.4161-0.8496j -0.5177+0.1218j 0.1155+0.4989j "
        "-1.2087+0.314j -0.0572-0.5298j -0.5946-0.2628j 0.4401-1.1679j",
    ),
    "det": (
        "5.25+13.25j",
        "2-8.5j 3-0.25j -0.75-0.25j -2+2.25j -2.375-4.75j -1.25-1.25j 1.75+2.25j -2+2.25j 6-3j",
    ),
    "solve": (
        "-0.336+0.848j 0.816+0.512j -0.112-0.384j",
        "0.1593+0.7067j -0.7033+0.3013j 0.1351-0.2875j 0.9718+0.0527j 0.1322+1.0193j "
        "-0.3222-0.2799j -0.6358+0.7953j -0.9482-0.5073j 0.4342-0.1041j",
    ),
    "solve_right": (
        "0.2351+0.1686j 0.6388+0.1022j -0.3988-0.4222j",
        "-0.0253-0.0826j 0.0994+0.1363j -0.3808+0.0387j 0.032-0.1906j 0.0625+0.372j "
        "-0.8004-0.3034j 0.0815+0.1531j -0.248-0.2306j 0.7356-0.2219j",
    ),
    "triangular": (
        "-0.26+0.78j 0.6+0.4j -0.2-0.6j",
        "0.13+0.39j -0.3+0.2j 0.1-0.3j 0 0.06+0.48j -0.3-0.3j 0 0 0.73-0.29j",
    ),
    "sign": (
        "0.3684+0.9297j",
        "0.1906-0.5799j 0.2104+0.0007j -0.0507-0.0219j -0.1529+0.1446j -0.1367-0.3451j "
        "-0.0795-0.0946j 0.1083+0.1673j -0.1529+0.1446j 0.4359-0.1727j",
    ),
    "logabs": (
        "2.6569",
        "0.5206+0.1711j -0.0006+0.1889j 0.0197-0.0455j -0.1298-0.1372j 0.3098-0.1228j "
        "0.0849-0.0714j -0.1502+0.0972j -0.1298-0.1372j 0.1551+0.3914j",
    ),
    "logdet": (
        "2.6569+1.1935j",
        "0.6062-0.0892j 0.0938+0.1892j -0.0031-0.0554j -0.1985-0.0723j 0.2485-0.2777j "
        "0.0492-0.1138j -0.1015+0.1723j -0.1985-0.0723j 0.3508+0.3138j",
    ),
    "q": (
        "-0.8-0.4j 0.016-0.4323j -0.0449+0.1039j -0-0.4j -0.7846+0.4003j -0.1938+0.1629j -0.2+0j "
        "0.1922j -0.3539-0.8932j",
        "-0.6287+0.3065j 0.3927-0.0255j 0.4094+0.1771j -0.0213+1.8862j 0.4467-0.0225j "
        "0.6418+0.7635j -1.8706+3.6738j -1.4749+1.7808j -3.519+1.3943j",
    ),
    "r": (
        "-2.5+0j 2.6j -0.4-0.4j 0 -2.498+0j -0.6165-0.5845j 0 0 -2.2822+0j",
        "-2.2327-0.443j -1.6431-2.0064j -4.6054-1.7068j -4.2479+3.7274j -6.603-0.889j "
        "-5.8511+5.022j -2.6383-4.3892j 2.3631-3.4668j -3.2088-6.586j",
    ),
    "s": (
        "4.1926 2.4484 1.3884",
        "2.199+0.7208j -0.0196+0.7821j 0.0102-0.1399j -0.5881-0.5785j 1.3258-0.5103j "
        "0.4686-0.3829j -0.59+0.3386j -0.5573-0.5284j 0.7241+1.8361j",
    ),
    "polar": (
        "0.9145+0.3608j 0.1699+0.0168j -0.0123+0.0644j -0.1572+0.0319j 0.8749-0.3061j "
        "0.3196-0.1137j -0.0514+0.0712j -0.1432-0.302j 0.3761+0.8597j",
        "0.2235+0.2131j -0.8498-0.0566j 0.9855-1.9228j 0.6485-0.8297j 0.2343+0.5459j "
        "-0.4175-1.9697j 1.5767-1.0078j 1.1627-0.9073j 3.0655-1.2882j",
    ),
    "eigvalsh": (
        "1.2655 2.9399 7.7946",
        "4.2597+0j 0.3801-1j 0.1301+0.6096j 0.3801+1j 5.0799+0j 0.7996+0.5599j 0.1301-0.6096j "
        "0.7996-0.5599j 2.6604+0j",
    ),
    "abs2": (
        "0.3676 0.7745 0.5148 0.3715 0.4291 0.8234 0.8526 0.4648 0.2389",
        "-0.7152+0j 0.2531-0.9317j 0.0404+0.8916j 0.2531+0.9317j -1.4255+0j 0.7047+0.279j "
        "0.0404-0.8916j 0.7047-0.279j 2.1407+0j",
    ),
    "eigvals": (
        "3.1507-0.362j 1.9622+0.2745j 0.8871+2.0875j",
        "2.5344-0.6044j 0.6392+0.5249j -0.0398+0.4195j -1.1576+0.2701j 0.5785-0.9305j "
        "-0.6898-0.2419j 0.108+0.0528j -0.2484+0.5341j 2.8871-1.4651j",
    ),
    "veig": (
        "0.5875 0.8541 0.2801 0.7722 0.494 0.2561 0.2419 0.1627 0.9252",
        "0.5158+0.8572j -0.927+0.7774j 0.1377+0.4932j -1.3863+1.6522j -1.1086+0.0349j "
        "0.2609+0.392j 0.889-3.2095j 1.9279-1.7634j 0.5928-0.8921j",
    ),
    "exp": (
        "7.5542+13.0848j 13.2261-13.3872j 2.0861-1.017j 2.9703+13.6363j 19.7493-18.1084j "
        "6.3055-0.2937j 4.1032+4.3525j 2.9256-8.8656j 0.1842+0.7945j",
        "20.4824-78.867j 39.6335-118.227j 0.7554-66.3346j 164.9213+44.51j 236.5397+77.0341j "
        "123.1058+27.9688j 61.3148-65.6685j 92.0516-85.1392j 29.3914-31.6149j",
    ),
    "pinv": (
        "0.5-0.1667j -0.1667+0.1667j 0 -0.0064-0.1731j 0.3141+0.1603j 0.0769j",
        "-0.3301-0.1912j -0.502-0.0674j 0 -0.3024+0.0374j 0.2269+0.408j 0 1.4615+0j "
        "0.4615+1.0976j 0",
    ),
    "lstsq": (
        "-0.1667+0.8333j 0.8782+0.391j",
        "-0.1538+0.6752j -0.7784+0.0178j 0 0.5171+0.0299j 0.0856+0.6225j 0 0.3718-0.4744j "
        "0.4679+0.2036j 0",
    ),
    "lu": (
        "2+1j 1-1j 0.5j 0.2+0.4j 2.4-1.2j 1.2-0.1j 0.2-0.1j 0.0833-0.25j 0.875+2.2083j",
        "0.9736-1.1278j 2.1424+1.5243j 1.875+1.125j 0.125-1.3819j 5.2604-2.309j 4.125-4.875j "
        "4.125+2.7083j -1+0.7083j 9-4.5j",
    ),
    "lu_solve": (
        "-0.1982+0.8332j 0.7705-0.5317j 0.1895-0.1883j",
        "0.0217+0.2549j -0.2027-0.4564j 1.1263+0.1254j 0.1688-0.2229j -0.1693+0.5189j "
        "-0.8229-0.9257j 0.0362-0.0712j -0.0213+0.1543j -0.278-0.2184j",
    ),
    "nuc": (
        "8.0294",
        "0.9145+0.3608j 0.1699+0.0168j -0.0123+0.0644j -0.1572+0.0319j 0.8749-0.3061j "
        "0.3196-0.1137j -0.0514+0.0712j -0.1432-0.302j 0.3761+0.8597j",
    ),
    "cond": (
        "3.0197",
        "-1.13-0.2438j 0.3505-1.1018j -0.2178+0.4619j 0.3932+0.8841j 0.0537+0.0809j "
        "0.2934+0.0968j 0.8263-0.4981j 0.4548+0.2197j -0.0438-0.2933j",
    ),
    "chosolve": (
        "-0.4369+0.5354j 0.4388-0.0302j 0.0652-0.4418j",
        "-0.1232-0.0383j 0.2438-0.4983j 0.7287+0.5804j 0.1821+0.055j -0.2898+0.252j "
        "-0.1034-0.6238j 0.3951+0.2711j -0.2117+0.7394j -0.6271-0.266j",
    ),
    "ldl": (
        "-2.4828+3.7931j 3.4655+0.9138j 2.4828-3.7931j",
        "1.6897+0.2759j 1.6897+0.2759j 1.6897+0.2759j 1.6897+0.2759j 1.6897+0.2759j "
        "1.6897+0.2759j 1.6897+0.2759j 1.6897+0.2759j 1.6897+0.2759j",
    ),
    "hh": (
        "-1-1j -2.5-2.5j 2.5-3.75j 1-2j 2.5-1.5j 2.25+2j -1-0.5j -0.25-0.25j 1.75-0.875j",
        "16.875+26.5625j 25.875-36.0625j -27.75+25.125j 20.375+78.375j 0 0 63.75+36.75j "
        "2.875-55.5j 0",
    ),
}


def close(t, numbers):
    found = [complex(z) for z in t.detach().reshape(-1).tolist()]
    wanted = [complex(n) for n in numbers.split()]
    assert len(found) == len(wanted)
    assert max(abs(x - y) for x, y in zip(found, wanted)) < 2e-4, (found, wanted)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients(name):
    values, gradient = EXPECTED[name]
    a = A.clone().requires_grad_()
    y = FUNCTIONS[name](a)
    close(y, values)
    weights = torch.arange(1.0, y.numel() + 1, dtype=torch.float64).reshape(y.shape)
    ((y * weights * (1 + 0.5j)).real if y.is_complex() else y * weights).sum().backward()
    close(a.grad, gradient)


def test_single_precision_and_batches():
    a = torch.stack([A, A.mH]).to(torch.complex64)
    assert L.inv(a).dtype == torch.complex64 and L.svdvals(a).dtype == torch.float32
    assert (L.inv(a) @ a - torch.eye(3)).abs().max() < 1e-5
    w, v = L.eig(a)
    assert (a @ v - v * w.unsqueeze(-2)).abs().max() < 1e-5
    w, v = L.eigh(a @ a.mH)
    assert w.dtype == torch.float32 and (v * w.unsqueeze(-2) @ v.mH - a @ a.mH).abs().max() < 1e-4


@pytest.mark.parametrize("m, n", [(300, 200), (200, 300)])
def test_large_matrices(m, n):
    """By LAPACK where there is one."""
    torch.manual_seed(0)
    a = torch.randn(m, n, dtype=torch.complex128)
    u, s, vh = L.svd(a, full_matrices=False)
    assert ((u * s) @ vh - a).abs().max() < 1e-11
    u, s, vh = L.svd(a)
    assert (u.mH @ u - torch.eye(m)).abs().max() < 1e-12
    q, r = L.qr(a)
    assert (q @ r - a).abs().max() < 1e-11 and r.tril(-1).abs().max() == 0
    whole, _ = L.qr(a, "complete")
    assert (torch.ormqr(*torch.geqrf(a), a) - whole @ a).abs().max() < 1e-11
    h = a @ a.mH
    w, v = L.eigh(h)
    assert ((v * w) @ v.mH - h).abs().max() < 1e-9
    h = h + m * torch.eye(m)
    low = L.cholesky(h)
    assert (low @ low.mH - h).abs().max() < 1e-9
    assert (L.solve(h, a) - L.inv(h) @ a).abs().max() < 1e-11
    p, low, up = L.lu(a)
    assert (p @ low @ up - a).abs().max() < 1e-11


def test_losses_that_depend_on_phases_are_refused():
    for f in (lambda a: L.eig(a)[1], lambda a: L.eigh(a + a.mH)[1], lambda a: L.svd(a)[0]):
        a = A.clone().requires_grad_()
        with pytest.raises(RuntimeError, match="up to multiplication by e\\^{i phi}"):
            (f(a).imag * torch.arange(9.0).reshape(3, 3)).sum().backward()


def test_singular_matrices_are_refused():
    flat = torch.ones(2, 2, dtype=torch.complex64)
    for f, message in ((L.inv, "linalg.inv: The diagonal element 2 is zero"),
                       (lambda a: L.solve(a, a), "the input matrix is singular"),
                       (lambda a: L.cholesky(-a), "leading minor of order 1")):
        with pytest.raises(L.LinAlgError, match=message):
            f(flat)
    x = torch.ones(2, 2, dtype=torch.complex128, requires_grad=True)
    L.det(x).real.backward()
    close(x.grad, "1 -1 -1 1")


def test_eigenvalues_come_in_the_order_of_lapack():
    a = torch.tensor([[1.0, 200, 0, 3], [0.5, -2, 0, 1], [7, 1, 3, 900], [0.001, 2, 0, 1]],
                     dtype=torch.float64)
    close(L.eigvals(a), "3 -10.696992 9.728423 0.968569")
