"""Factors of matrices, the incomplete gamma function and draws by rejection give PyTorch's numbers.

The literals are PyTorch 2.13's.
"""

import math

import pytest

import flambeau as torch

inf = float("inf")
A = torch.tensor([[4.0, 1.0, -0.5], [1.0, 3.0, 0.25], [-0.5, 0.25, 2.0]], dtype=torch.float64)
B = torch.stack([A, 2 * A + torch.eye(3).double()])
S = torch.tensor([[1.0, 2.0], [2.0, 1.0]])
V = torch.tensor([[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]], dtype=torch.float64)
a = torch.tensor([0.3, 2.0, 30.0, 1e6, 0.5], dtype=torch.float64)
x = torch.tensor([0.1, 3.0, 25.0, 1.001e6, 40.0], dtype=torch.float64)


def gradient(f, *args):
    """The gradients of a weighted sum of f(*args)."""
    args = [t.clone().requires_grad_() for t in args]
    y = f(*args)
    weights = torch.arange(1.0, 1.0 + y.numel(), dtype=y.dtype).view(y.shape)
    (y * weights).sum().backward()
    return [t.grad for t in args]


def seeded(f):
    torch.manual_seed(5)
    return f()


KNOWN = [
    ("torch.linalg.cholesky(A)",
     [[2.0, 0.0, 0.0], [0.5, 1.65831239518, 0.0], [-0.25, 0.226133508433, 1.37344953907]]),
    ("torch.linalg.cholesky(A, upper=True)",
     [[2.0, 0.5, -0.25], [0.0, 1.65831239518, 0.226133508433], [0.0, 0.0, 1.37344953907]]),
    ("torch.cholesky(B)",
     [[[2.0, 0.0, 0.0], [0.5, 1.65831239518, 0.0], [-0.25, 0.226133508433, 1.37344953907]],
     [[3.0, 0.0, 0.0], [0.666666666667, 2.56038191596, 0.0], [-0.333333333333, 0.282075973792,
     2.19301665153]]]),
    ("A.cholesky(upper=True)",
     [[2.0, 0.5, -0.25], [0.0, 1.65831239518, 0.226133508433], [0.0, 0.0, 1.37344953907]]),
    ("torch.linalg.cholesky_ex(S).info", 2),
    ("torch.linalg.cholesky_ex(S).L.shape", [2, 2]),
    ("torch.linalg.cholesky(A).stride()", [1, 3]),
    ("gradient(lambda a: torch.linalg.cholesky(a), A)",
     [[[0.224584995993, 0.935773132179, 1.6682262323], [0.935773132179, 1.23956045469,
     1.96530596681], [1.6682262323, 1.96530596681, 3.27642179199]]]),
    ("gradient(lambda a: torch.linalg.cholesky(a, upper=True), A)",
     [[[0.267413311984, 0.339837704358, 0.818981904587], [0.339837704358, 1.32179082139,
     1.36228327765], [0.818981904587, 1.36228327765, 3.27642179199]]]),
    ("torch.linalg.solve_triangular(A, V, upper=False)",
     [[0.25, 0.5], [0.0833333333333, -0.5], [1.55208333333, 0.1875]]),
    ("torch.linalg.solve_triangular(A, V, upper=True)",
     [[0.427083333333, 0.583333333333], [0.0416666666667, -0.333333333333], [1.5, 0.0]]),
    ("torch.linalg.solve_triangular(A, V, upper=True, unitriangular=True)",
     [[2.75, 3.0], [-0.25, -1.0], [3.0, 0.0]]),
    ("torch.linalg.solve_triangular(A, V.mT, upper=True, left=False)",
     [[0.25, 0.0833333333333, 1.55208333333], [0.5, -0.5, 0.1875]]),
    ("torch.linalg.solve_triangular(A, V.mT, upper=False, left=False)",
     [[0.427083333333, 0.0416666666667, 1.5], [0.583333333333, -0.333333333333, 0.0]]),
    ("torch.linalg.solve_triangular(B, V, upper=False)",
     [[[0.25, 0.5], [0.0833333333333, -0.5], [1.55208333333, 0.1875]], [[0.111111111111,
     0.222222222222], [0.0396825396825, -0.206349206349], [0.618253968254, 0.0650793650794]]]),
    ("gradient(lambda a, v: torch.linalg.solve_triangular(a, v, upper=False), A, V)",
     [[[-0.393229166667, 0.0, 0.0], [-0.739583333333, 0.475694444444, 0.0], [-2.125,
     1.29166666667, -4.44270833333]], [[0.364583333333, 0.604166666667], [0.791666666667,
     1.08333333333], [2.5, 3.0]]]),
    ("gradient(lambda a, v: torch.linalg.solve_triangular(a, v.mT, upper=True, left=False), A, V)",
     [[[-0.5859375, -0.84375, -1.875], [0.0, 0.663194444444, 1.375], [0.0, 0.0, -2.890625]],
     [[0.302083333333, 1.02083333333], [0.541666666667, 1.41666666667], [1.5, 3.0]]]),
    ("gradient(lambda a, v: torch.linalg.solve_triangular(a, v, upper=False, unitriangular=True), A, V)",
     [[[0.0, 0.0, 0.0], [-6.75, 0.0, 0.0], [-17.0, 20.5, 0.0]], [[1.75, 2.5], [1.75, 2.5], [5.0,
     6.0]]]),
    ("gradient(lambda b, v: torch.linalg.solve_triangular(b, v, upper=False), B, V)",
     [[[[-0.393229166667, 0.0, 0.0], [-0.739583333333, 0.475694444444, 0.0], [-2.125,
     1.29166666667, -4.44270833333]], [[-0.280423280423, 0.0, 0.0], [-0.404761904762,
     0.21462585034, 0.0], [-0.777777777778, 0.407936507937, -1.51634920635]]], [[1.13601190476,
     1.48035714286], [1.92023809524, 2.34047619048], [4.7, 5.4]]]),
    ("torch.cholesky_solve(V, A)",
     [[0.168728298611, 0.180338541667], [-0.0368923611111, -0.174479166667], [0.776041666667,
     0.09375]]),
    ("torch.cholesky_solve(V, A, upper=True)",
     [[0.168728298611, 0.180338541667], [-0.0368923611111, -0.174479166667], [0.776041666667,
     0.09375]]),
    ("gradient(lambda v, a: torch.cholesky_solve(v, a), V, A)",
     [[[0.164605034722, 0.245008680556], [0.203559027778, 0.264756944444], [1.22395833333,
     1.48958333333]], [[-0.296006944444, -0.400191389484, -1.18807082706], [-0.0868055555556,
     0.31952177448, 0.288016849094], [-1.29166666667, -0.803807011357, -4.01447041829]]]),
    ("gradient(lambda v, b: torch.cholesky_solve(v, b, True), V, B)",
     [[[0.274385835932, 0.368969375945], [0.323354946145, 0.397410005669], [1.67379960317,
     1.9816468254]], [[[-0.296006944444, -0.0868055555556, -1.29166666667], [-0.400191389484,
     0.31952177448, -0.803807011357], [-1.18807082706, 0.288016849094, -4.01447041829]],
     [[-0.0898194339464, -0.0132993197279, -0.267072310406], [-0.0739778649614, 0.0547887269193,
     -0.149953069623], [-0.204813633837, 0.00709995140914, -0.576931023768]]]]),
    ("torch.cholesky_inverse(A)",
     [[0.0747612847222, -0.0308159722222, 0.0364583333333], [-0.0308159722222, 0.112847222222,
     -0.0208333333333], [0.0364583333333, -0.0208333333333, 0.25]]),
    ("B.cholesky_inverse(upper=True)",
     [[[0.0747612847222, -0.0308159722222, 0.0364583333333], [-0.0308159722222, 0.112847222222,
     -0.0208333333333], [0.0364583333333, -0.0208333333333, 0.25]], [[0.0139984882842,
     -0.00489795918367, 0.00507936507937], [-0.00489795918367, 0.020612244898,
     -0.00285714285714], [0.00507936507937, -0.00285714285714, 0.04]]]),
    ("gradient(lambda a: torch.cholesky_inverse(a), A)",
     [[[-0.0823025173611, -0.229517265602, -0.4738618003], [-0.101779513889, -0.226416411223,
     -0.439938439263], [-0.611979166667, -1.20769924588, -2.25426737467]]]),
    ("torch.triangular_solve(V, A)[0]",
     [[0.427083333333, 0.583333333333], [0.0416666666667, -0.333333333333], [1.5, 0.0]]),
    ("torch.triangular_solve(V, A, upper=False, transpose=True)[0]",
     [[0.427083333333, 0.583333333333], [0.0416666666667, -0.333333333333], [1.5, 0.0]]),
    ("torch.linalg.inv(B)",
     [[[0.286144578313, -0.102409638554, 0.0843373493976], [-0.102409638554, 0.373493975904,
     -0.0722891566265], [0.0843373493976, -0.0722891566265, 0.530120481928]], [[0.122466960352,
     -0.0370044052863, 0.0281938325991], [-0.0370044052863, 0.155066079295, -0.0229074889868],
     [0.0281938325991, -0.0229074889868, 0.207929515419]]]),
    ("torch.inverse(A)",
     [[0.286144578313, -0.102409638554, 0.0843373493976], [-0.102409638554, 0.373493975904,
     -0.0722891566265], [0.0843373493976, -0.0722891566265, 0.530120481928]]),
    ("torch.linalg.inv_ex(torch.zeros(2, 2)).info", 1),
    ("gradient(lambda a: torch.linalg.inv(a), A)",
     [[[-0.142918057773, -0.154176948759, -0.517963419945], [-0.250562490928, -0.221548845986,
     -0.676513282044], [-0.975794745246, -0.821091595297, -2.43649295979]]]),
    ("torch.linalg.slogdet(-B)", [[-1.0, -1.0], [3.03254624668, 5.6480935688]]),
    ("torch.linalg.slogdet(torch.zeros(2, 2))", [0.0, -inf]),
    ("torch.slogdet(A).logabsdet", 3.03254624668),
    ("torch.logdet(B)", [3.03254624668, 5.6480935688]),
    ("torch.logdet(-A)", math.nan),
    ("gradient(lambda b: torch.linalg.slogdet(b).logabsdet, B)",
     [[[[0.286144578313, -0.102409638554, 0.0843373493976], [-0.102409638554, 0.373493975904,
     -0.0722891566265], [0.0843373493976, -0.0722891566265, 0.530120481928]], [[0.244933920705,
     -0.0740088105727, 0.0563876651982], [-0.0740088105727, 0.31013215859, -0.0458149779736],
     [0.0563876651982, -0.0458149779736, 0.415859030837]]]]),
    ("torch.linalg.eigvalsh(S)", [-1.0, 3.0]),
    ("torch.linalg.eigvalsh(B, UPLO='U')",
     [[1.65832977234, 2.6897944673, 4.65187576037], [4.31665954467, 6.3795889346,
     10.3037515207]]),
    ("gradient(lambda b: torch.linalg.eigvalsh(b), B)",
     [[[[2.6069484163, 0.581347102973, -0.396278968953], [0.581347102973, 2.07360377581,
     0.294144409446], [-0.396278968953, 0.294144409446, 1.31944780789]], [[5.6069484163,
     0.581347102973, -0.396278968953], [0.581347102973, 5.07360377581, 0.294144409446],
     [-0.396278968953, 0.294144409446, 4.31944780789]]]]),
    ("torch.linalg.cholesky(torch.zeros(0, 2, 2)).shape", [0, 2, 2]),
    ("torch.linalg.solve_triangular(torch.zeros(0, 0), torch.zeros(0, 2), upper=True).shape",
     [0, 2]),
    ("torch.igamma(a, x)", [0.545912849592, 0.800851726529, 0.182103915757, 0.841344786367, 1.0]),
    ("torch.igammac(a, x)",
     [0.454087150408, 0.199148273471, 0.817896084243, 0.158655213633, 3.7440973842e-19]),
    ("torch.special.gammainc(a, x).shape", [5]),
    ("torch.special.multigammaln(a + 3, 2)",
     [2.07616631281, 6.20415534412, 161.951509813, 25631085.696, 2.46648572583]),
    ("gradient(lambda x: torch.igamma(a, x), x)",
     [[1.51590340819, 0.298722410207, 0.163486026468, 0.000967238019697, 1.89489782021e-18]]),
    ("gradient(lambda x: torch.special.gammaincc(a, x), x)",
     [[-1.51590340819, -0.298722410207, -0.163486026468, -0.000967238019697,
     -1.89489782021e-18]]),
    ("torch.igamma(torch.tensor([0., 0., 1, 1, inf, inf, -1, 2]), torch.tensor([0., 1., 0, inf, 1, inf, 1, -1]))",
     [math.nan, 1.0, 0.0, 1.0, 0.0, math.nan, math.nan, math.nan]),
    ("seeded(lambda: torch.poisson(torch.tensor([0., 0.5, 9.5, 10., 300., 1e5]).expand(3, 6)))",
     [[0.0, 1.0, 12.0, 8.0, 293.0, 100007.0], [0.0, 0.0, 5.0, 10.0, 288.0, 100935.0], [0.0, 0.0,
     10.0, 10.0, 311.0, 100109.0]]),
    ("seeded(lambda: torch.poisson(torch.tensor([0.5, 20.]).half().expand(4, 2)))",
     [[1.0, 18.0], [0.0, 25.0], [2.0, 18.0], [1.0, 13.0]]),
    ("seeded(lambda: torch.binomial(torch.tensor([[5.], [100.], [1e6]]), torch.tensor([0., 0.1, 0.5, 0.83, 1.])))",
     [[0.0, 1.0, 2.0, 3.0, 5.0], [0.0, 14.0, 48.0, 79.0, 100.0], [0.0, 99573.0, 499788.0,
     829705.0, 1000000.0]]),
    ("seeded(lambda: torch.binomial(torch.tensor([100., 30.]).double().expand(4, 2), torch.tensor([.4, .9]).double().expand(4, 2)))",
     [[42.0, 28.0], [46.0, 26.0], [45.0, 29.0], [38.0, 26.0]]),
    ("seeded(lambda: torch._standard_gamma(torch.tensor([0., 0.01, 0.5, 1., 3., 50.]).expand(3, 6)))",
     [[1.17549435082e-38, 1.17549435082e-38, 1.35336947441, 0.0521797165275, 1.6051902771,
     45.8384399414], [1.17549435082e-38, 2.74833003577e-11, 0.28967911005, 1.51080942154,
     1.84521257877, 44.0266456604], [1.17549435082e-38, 1.17549435082e-38, 0.409756243229,
     1.08245372772, 0.414788633585, 51.9898033142]]),
    ("seeded(lambda: torch._standard_gamma(torch.tensor([0.01, 0.5, 1., 3., 50.]).double().expand(3, 5)))",
     [[1.53420815123e-45, 1.35336955667, 0.0521797232421, 1.60519018532, 45.8384398098],
     [2.74832858715e-11, 0.289679125841, 1.51080943401, 1.84521247485, 44.0266442797],
     [1.46541778212e-83, 0.409756263303, 1.08245380343, 0.4147885988, 51.9898025597]]),
    ("seeded(lambda: torch._sample_dirichlet(torch.tensor([0., 0.5, 1., 30.]).expand(3, 4)))",
     [[1.17549435082e-38, 0.00392829021439, 0.0491817630827, 0.946889936924],
     [1.17549435082e-38, 0.000244863447733, 0.0090566277504, 0.990698516369],
     [1.17549435082e-38, 0.0240629389882, 0.0645055919886, 0.911431491375]]),
    ("torch._standard_gamma_grad(torch.tensor([.2, 3., 9., 9., 300.]).double(), torch.tensor([.1, 2., 9.1, 3., 280.]).double())",
     [1.13186466139, 0.856564023915, 1.02428802222, 0.559342012042, 0.966462234459]),
    ("torch._dirichlet_grad(torch.tensor([.01, .4, .99, .5, .3, .2]).double(), torch.tensor([.5, 2., 3., 60., 8., 40.]).double(), torch.tensor([2., 5., 3.5, 120., 30., 90.]).double())",
     [0.085561406061, 0.232320001887, 0.358881850391, 0.0083796939412, 0.0364910370047,
     0.00731123189372]),
    ("seeded(lambda: [torch.poisson(torch.ones(2), generator=torch.Generator().manual_seed(4)), torch.rand(1)])",
     [[1.0, 0.0], [0.83025187254]]),
]

REFUSED = [
    ("torch.linalg.cholesky_ex(torch.stack([A, S])).info", RuntimeError,
     "stack expects each tensor to be equal size, but got [3, 3] at entry 0 and [2, 2] at e"
     "ntry 1"),
    ("torch.linalg.cholesky(S)", torch.linalg.LinAlgError,
     "linalg.cholesky: The factorization could not be completed because the input is not po"
     "sitive-definite (the leading minor of order 2 is not positive-definite)."),
    ("torch.linalg.cholesky(torch.stack([A, S]))", RuntimeError,
     "stack expects each tensor to be equal size, but got [3, 3] at entry 0 and [2, 2] at e"
     "ntry 1"),
    ("torch.linalg.cholesky(torch.ones(2, 3))", RuntimeError,
     "linalg.cholesky: A must be batches of square matrices, but they are 2 by 3 matrices"),
    ("torch.linalg.cholesky(torch.ones(2))", RuntimeError,
     "linalg.cholesky: The input tensor A must have at least 2 dimensions."),
    ("torch.linalg.cholesky(torch.ones(2, 2, dtype=torch.int64))", RuntimeError,
     "linalg.cholesky: Expected a floating point or complex tensor as input. Got Long"),
    ("torch.linalg.cholesky(torch.ones(2, 2).half())", NotImplementedError,
     "\"cholesky_cpu\" not implemented for 'Half'"),
    ("torch.linalg.cholesky_ex(S, check_errors=True)", torch.linalg.LinAlgError,
     "linalg.cholesky_ex: The factorization could not be completed because the input is not"
     " positive-definite (the leading minor of order 2 is not positive-definite)."),
    ("torch.linalg.solve_triangular(A, torch.ones(2, 1).double(), upper=True)", RuntimeError,
     "linalg.solve_triangular: Incompatible shapes of A and B for the equation AX = B (3x3 "
     "and 2x1)"),
    ("torch.linalg.solve_triangular(torch.ones(2, 3), V, upper=True)", RuntimeError,
     "linalg.solve_triangular: A must be batches of square matrices, but they are 2 by 3 ma"
     "trices"),
    ("torch.linalg.solve_triangular(A, torch.ones(3), upper=True)", RuntimeError,
     "linalg.solve_triangular: The input tensor B must have at least 2 dimensions."),
    ("torch.cholesky_solve(torch.ones(2, 1).double(), A)", RuntimeError,
     "Incompatible matrix sizes for cholesky_solve: each A matrix is 3 by 3 but each b matr"
     "ix is 2 by 1"),
    ("torch.cholesky_solve(torch.ones(3), A)", RuntimeError,
     "b should have at least 2 dimensions, but has 1 dimensions instead"),
    ("torch.cholesky_inverse(torch.zeros(2, 2))", torch.linalg.LinAlgError,
     "cholesky_inverse: The diagonal element 1 is zero, the inversion could not be complete"
     "d because the input matrix is singular."),
    ("torch.cholesky_inverse(torch.zeros(2, 2, 2))", torch.linalg.LinAlgError,
     "cholesky_inverse: (Batch element 0): The diagonal element 1 is zero, the inversion co"
     "uld not be completed because the input matrix is singular."),
    ("torch.linalg.inv(torch.zeros(2, 2))", torch.linalg.LinAlgError,
     "linalg.inv: The diagonal element 1 is zero, the inversion could not be completed beca"
     "use the input matrix is singular."),
    ("torch.linalg.inv(torch.zeros(3, 2, 2))", torch.linalg.LinAlgError,
     "linalg.inv: (Batch element 0): The diagonal element 1 is zero, the inversion could no"
     "t be completed because the input matrix is singular."),
    ("torch.linalg.eigvalsh(A, UPLO='X')", RuntimeError,
     "Expected UPLO argument to be 'L' or 'U', but got X"),
    ("torch.linalg.eigvalsh(torch.ones(2, 3))", RuntimeError,
     "linalg.eigh: A must be batches of square matrices, but they are 2 by 3 matrices"),
    ("torch.igamma(torch.ones(2, requires_grad=True), torch.ones(2)).sum().backward()", NotImplementedError,
     "the derivative for 'igamma: input' is not implemented."),
    ("torch.poisson(torch.tensor([1., -1.]))", RuntimeError,
     "invalid Poisson rate, expected rate to be non-negative"),
    ("torch.poisson(torch.tensor([1]))", NotImplementedError,
     "\"poisson_cpu\" not implemented for 'Long'"),
    ("torch.binomial(torch.ones(2, dtype=torch.int64), torch.ones(2))", ValueError,
     "binomial only supports floating-point dtypes for count, got: Long"),
    ("torch.binomial(torch.ones(2), torch.ones(2).double())", RuntimeError,
     "Found dtype Double but expected Float"),
    ("torch.binomial(torch.ones(2), torch.ones(3))", RuntimeError,
     "The size of tensor a (2) must match the size of tensor b (3) at non-singleton dimension 0"),
    ("torch._standard_gamma(torch.ones(2).half())", NotImplementedError,
     "\"gamma_cpu\" not implemented for 'Half'"),
]


def plain(value):
    if isinstance(value, torch.Tensor):
        return value.tolist()
    return [plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def near(a, b, tolerance):
    if isinstance(a, list):
        return len(a) == len(b) and all(near(x, y, tolerance) for x, y in zip(a, b))
    return a == b or (a != a and b != b) or math.isclose(a, b, rel_tol=tolerance, abs_tol=1e-12)


@pytest.mark.parametrize("text, known", KNOWN, ids=[text for text, _ in KNOWN])
def test_numbers_are_pytorchs(text, known):
    answer = plain(eval(text))
    # PyTorch's own igamma is good to 1e-8 at large arguments; float32 draws to their last place
    tolerance = 1e-7 if "igamma" in text or "seeded" in text else 1e-10
    assert near(answer, known, tolerance), answer


@pytest.mark.parametrize("text, kind, message", REFUSED, ids=[text for text, *_ in REFUSED])
def test_refused_as_pytorch_does(text, kind, message):
    with pytest.raises(kind) as caught:
        eval(text)
    assert str(caught.value).split("\n")[0].rstrip(".") == message.rstrip(".")


def test_linalg_error_is_a_runtime_error():
    assert issubclass(torch.linalg.LinAlgError, RuntimeError)


def test_in_place_composites_keep_what_their_graph_needs():
    leaf = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = leaf * 2
    y.clamp_(min=2.5)
    y.view(3).clamp_(max=5)
    (y * y).sum().backward()
    assert leaf.grad.tolist() == [0.0, 16.0, 0.0]


def test_a_tensor_of_the_size_is_broadcast_to_itself():
    t = torch.ones(2, 3, requires_grad=True)
    wide, narrow = torch.broadcast_tensors(t, torch.ones(3))
    assert wide is t and narrow.shape == (2, 3)
