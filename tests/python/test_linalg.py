"""torch.linalg: factors, systems, singular values, eigenvalues and functions of matrices give
PyTorch's numbers; what PyTorch refuses is refused in its words.

The literals are PyTorch 2.13's. What is determined up to a sign alone is tried by its product.
"""

import math

import pytest

import flambeau as torch

inf = float("inf")
L = torch.linalg
A = torch.tensor([[4.0, 1.0, -0.5], [1.0, 3.0, 0.25], [-0.5, 0.25, 2.0]], dtype=torch.float64)
B = torch.stack([A, 2 * A + torch.eye(3).double()])
S = torch.tensor([[1.0, 2.0], [2.0, 4.0]])
Z = torch.zeros(2, 2)
N = torch.tensor([[0.5, 2.0, -1.0], [1.5, 0.25, 0.75], [-2.0, 1.0, 0.5]], dtype=torch.float64)
I = torch.tensor([[0.0, 1.0, 2.0], [1.0, 0.5, -1.0], [2.0, -1.0, 0.25]], dtype=torch.float64)
T = torch.tensor([[1.0, -0.5], [2.0, 0.25], [0.5, 3.0], [-1.0, 1.5]], dtype=torch.float64)
V = torch.tensor([[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]], dtype=torch.float64)
W = torch.tensor([[1.0, 0.0], [0.5, 2.0], [-1.0, 1.0], [2.0, 0.25]], dtype=torch.float64)


def gradient(f, *args):
    """The gradients of a weighted sum of f(*args)."""
    args = [t.clone().requires_grad_() for t in args]
    y = f(*args)
    y = y[0] if isinstance(y, tuple) else y
    weights = torch.arange(1.0, 1.0 + y.numel(), dtype=y.dtype).view(y.shape)
    (y * weights).sum().backward()
    return [t.grad for t in args]


def product(u, s, vh):
    return u * s.unsqueeze(-2) @ vh


KNOWN = [
    ("L.qr(A).Q",
     [[-0.963086824686, 0.219586759751, 0.155709418655], [-0.240771706172, -0.96136154574,
     -0.13346521599], [0.120385853086, -0.16602901347, 0.97874491726]]),
    ("L.qr(A).R",
     [[-4.15331193146, -1.65530547993, 0.662122191972], [0.0, -2.70600513084, -0.682191793252],
     [0.0, 0.0, 1.8462688212]]),
    ("L.qr(T).Q",
     [[-0.4, 0.147042924419], [-0.8, -0.0735214622094], [-0.2, -0.882257546513], [0.4,
     -0.441128773256]]),
    ("L.qr(T, 'complete').Q.shape", [4, 4]),
    ("L.qr(T, 'r').R", [[-2.5, 0.0], [0.0, -3.40036762718]]),
    ("L.qr(T.mT).R",
     [[-1.11803398875, -1.67705098312, 0.894427191, 1.56524758425], [0.0, 1.11803398875,
     2.90688837075, 0.894427191]]),
    ("torch.qr(T, some=False).R.shape", [4, 2]),
    ("T.qr().R", [[-2.5, 0.0], [0.0, -3.40036762718]]),
    ("torch.geqrf(T).a",
     [[-2.5, 0.0], [0.571428571429, -3.40036762718], [0.142857142857, 0.780326385323],
     [-0.285714285714, 0.344795379561]]),
    ("torch.geqrf(T).tau", [1.4, 1.15754599045]),
    ("L.householder_product(*torch.geqrf(T))",
     [[-0.4, 0.147042924419], [-0.8, -0.0735214622094], [-0.2, -0.882257546513], [0.4,
     -0.441128773256]]),
    ("torch.orgqr(*torch.geqrf(T))",
     [[-0.4, 0.147042924419], [-0.8, -0.0735214622094], [-0.2, -0.882257546513], [0.4,
     -0.441128773256]]),
    ("torch.ormqr(*torch.geqrf(T), W)",
     [[0.587590929424, 1.01472243694], [-0.209404660969, -0.738293394216], [-1.4285892253,
     -1.44426777603], [1.95448699484, -1.1839982395]]),
    ("torch.ormqr(*torch.geqrf(T), W.mT, left=False, transpose=True)",
     [[0.587590929424, -0.209404660969, -1.4285892253, 1.95448699484], [1.01472243694,
     -0.738293394216, -1.44426777603, -1.1839982395]]),
    ("L.svdvals(T)", [3.40036762718, 2.5]),
    ("L.svd(T).U.shape", [4, 4]),
    ("L.svd(T, full_matrices=False).U.shape", [4, 2]),
    ("torch.svd(T).S", [3.40036762718, 2.5]),
    ("product(*L.svd(T, full_matrices=False))",
     [[1.0, -0.5], [2.0, 0.25], [0.5, 3.0], [-1.0, 1.5]]),
    ("product(*L.svd(T.mT, full_matrices=False))", [[1.0, 2.0, 0.5, -1.0], [-0.5, 0.25, 3.0, 1.5]]),
    ("L.eigh(A).eigenvalues", [1.65832977234, 2.6897944673, 4.65187576037]),
    ("L.eigvalsh(A, UPLO='U')", [1.65832977234, 2.6897944673, 4.65187576037]),
    ("L.eigvalsh(B)",
     [[1.65832977234, 2.6897944673, 4.65187576037], [4.31665954467, 6.3795889346, 10.3037515207]]),
    ("L.solve(N, V)",
     [[-0.532110091743, -0.110091743119], [1.28440366972, 0.403669724771], [1.30275229358,
     -1.24770642202]]),
    ("L.solve(N, V.mT, left=False)",
     [[-0.623853211009, 2.40366972477, 1.14678899083], [-0.146788990826, 0.330275229358,
     -0.788990825688]]),
    ("L.solve(N, V[:, 0])", [-0.532110091743, 1.28440366972, 1.30275229358]),
    ("L.solve(B, V)",
     [[[0.487951807229, 0.674698795181], [-0.132530120482, -0.578313253012], [1.63855421687,
     0.240963855422]], [[0.188546255507, 0.281938325991], [-0.0281938325991, -0.229074889868],
     [0.640528634361, 0.079295154185]]]),
    ("L.solve_ex(S, V[:2].float()).info", 2),
    ("L.lu_factor(N).LU",
     [[-2.0, 1.0, 0.5], [-0.25, 2.25, -0.875], [-0.75, 0.444444444444, 1.51388888889]]),
    ("L.lu_factor(N).pivots", [3, 3, 3]),
    ("L.lu_factor_ex(torch.zeros(2, 2)).info", 1),
    ("L.lu(N).P", [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]),
    ("L.lu(T).L", [[1.0, 0.0], [0.25, 1.0], [0.5, -0.212765957447], [-0.5, 0.553191489362]]),
    ("L.lu(T.mT).U", [[1.0, 2.0, 0.5, -1.0], [0.0, 1.25, 3.25, 1.0]]),
    ("torch.lu(N)[0]",
     [[-2.0, 1.0, 0.5], [-0.25, 2.25, -0.875], [-0.75, 0.444444444444, 1.51388888889]]),
    ("N.lu()[1]", [3, 3, 3]),
    ("torch.lu(Z, get_infos=True)[2]", 1),
    ("torch.lu_unpack(*N.lu()).L",
     [[1.0, 0.0, 0.0], [-0.25, 1.0, 0.0], [-0.75, 0.444444444444, 1.0]]),
    ("[t.shape for t in torch.lu_unpack(*N.lu(), unpack_data=False)]", [[3, 3], [0], [0]]),
    ("L.lu_solve(*L.lu_factor(N), V)",
     [[-0.532110091743, -0.110091743119], [1.28440366972, 0.403669724771], [1.30275229358,
     -1.24770642202]]),
    ("L.lu_solve(*L.lu_factor(N), V, adjoint=True)",
     [[-0.623853211009, -0.146788990826], [2.40366972477, 0.330275229358], [1.14678899083,
     -0.788990825688]]),
    ("L.lu_solve(*L.lu_factor(N), V.mT, left=False)",
     [[-0.623853211009, 2.40366972477, 1.14678899083], [-0.146788990826, 0.330275229358,
     -0.788990825688]]),
    ("V.lu_solve(*N.lu())",
     [[-0.532110091743, -0.110091743119], [1.28440366972, 0.403669724771], [1.30275229358,
     -1.24770642202]]),
    ("L.det(N)", -6.8125),
    ("torch.det(B)", [20.75, 283.75]),
    ("N.det()", -6.8125),
    ("torch.logdet(B)", [3.03254624668, 5.6480935688]),
    ("L.slogdet(-A)", [-1.0, 3.03254624668]),
    ("L.inv(N)",
     [[0.0917431192661, 0.293577981651, -0.256880733945], [0.330275229358, 0.256880733945,
     0.275229357798], [-0.293577981651, 0.660550458716, 0.422018348624]]),
    ("torch.inverse(N)",
     [[0.0917431192661, 0.293577981651, -0.256880733945], [0.330275229358, 0.256880733945,
     0.275229357798], [-0.293577981651, 0.660550458716, 0.422018348624]]),
    ("L.ldl_factor(I).LD", [[0.0, 0.0, 0.0], [2.0, 0.25, 0.0], [-0.5625, 0.5, 1.5625]]),
    ("L.ldl_factor(I).pivots", [-3, -3, 3]),
    ("L.ldl_solve(*L.ldl_factor(I), V)", [[1.28, -0.08], [-0.28, 0.08], [0.64, 0.96]]),
    ("L.lstsq(T, W).solution", [[-0.08, 0.68], [-0.0324324324324, 0.335135135135]]),
    ("L.lstsq(T, W, driver='gelsd').residuals", [6.19783783784, 0.873851351351]),
    ("L.lstsq(T, W, driver='gelss').singular_values", [3.40036762718, 2.5]),
    ("L.lstsq(T, W).rank", 2),
    ("L.lstsq(T, W[:, 0]).solution", [-0.08, -0.0324324324324]),
    ("L.lstsq(T.mT, V[:2]).solution",
     [[0.138378378378, 0.363243243243], [0.330810810811, 0.618378378378], [0.20972972973,
     -0.0994594594595], [-0.0951351351351, -0.44972972973]]),
    ("L.lstsq(T, W, driver='gels').rank.shape", [0]),
    ("L.pinv(T)",
     [[0.16, 0.32, 0.08, -0.16], [-0.0432432432432, 0.0216216216216, 0.259459459459,
     0.12972972973]]),
    ("L.pinv(T, atol=-1.0, rtol=-1.0)",
     [[0.16, 0.32, 0.08, -0.16], [-0.0432432432432, 0.0216216216216, 0.259459459459,
     0.12972972973]]),
    ("L.pinv(S.double())", [[0.04, 0.08], [0.08, 0.16]]),
    ("L.pinv(torch.ones(2, 2).double())", [[0.25, 0.25], [0.25, 0.25]]),
    ("L.pinv(A, hermitian=True)",
     [[0.286144578313, -0.102409638554, 0.0843373493976], [-0.102409638554, 0.373493975904,
     -0.0722891566265], [0.0843373493976, -0.0722891566265, 0.530120481928]]),
    ("L.pinv(T, rtol=0.5)",
     [[0.16, 0.32, 0.08, -0.16], [-0.0432432432432, 0.0216216216216, 0.259459459459,
     0.12972972973]]),
    ("torch.pinverse(T.mT)",
     [[0.16, -0.0432432432432], [0.32, 0.0216216216216], [0.08, 0.259459459459], [-0.16,
     0.12972972973]]),
    ("L.matrix_rank(torch.ones(3, 3))", 1),
    ("L.matrix_rank(torch.eye(3), atol=torch.tensor([0.5, 2]))", [3, 0]),
    ("L.matrix_rank(A, 2.5, hermitian=True)", 2),
    ("L.matrix_exp(A)",
     [[79.7172410818, 40.1741022817, -11.6567721781], [40.1741022817, 35.711193817,
     -1.83550387715], [-11.6567721781, -1.83550387715, 9.33209347434]]),
    ("torch.matrix_exp(N * 4)",
     [[4951.37150401, 4507.94551381, -918.460176985], [2045.44655544, 1939.43858493,
     -312.7893022], [-4507.94551381, -3978.41928272, 944.833764256]]),
    ("torch.matrix_exp(torch.zeros(2, 2).half())", [[1.0, 0.0], [0.0, 1.0]]),
    ("L.matrix_power(N, 5)",
     [[10.609375, 58.6328125, -23.1171875], [37.775390625, -8.0849609375, 12.6884765625],
     [-58.6328125, 0.38671875, -7.98828125]]),
    ("L.matrix_power(N, -2)",
     [[0.180792862554, -0.0673343994613, -0.0511741435906], [0.0343405437253, 0.344752125242,
     0.102011615184], [0.0673343994613, 0.362259069102, 0.435316892517]]),
    ("torch.matrix_power(N, 0)", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    ("L.matrix_power(torch.ones(2, 2, dtype=torch.long), 3)", [[4, 4], [4, 4]]),
    ("[L.cond(N, p).item() for p in (None, 2, -2, 1, -1, inf, -inf, 'fro', 'nuc')]",
     [2.28744325064, 2.28744325064, 0.437169315445, 4.84403669725, 1.61009174312, 4.81651376147,
     1.60550458716, 3.85660073705, 10.2670340418]),
    ("L.cond(Z, 1)", inf),
    ("L.cond(torch.zeros(0, 0))", 0.0),
    ("[L.matrix_norm(T, p).item() for p in (2, -2, 1, -1, inf, -inf, 'fro', 'nuc')]",
     [3.40036762718, 2.5, 5.25, 4.5, 3.5, 1.5, 4.22048575403, 5.90036762718]),
    ("L.matrix_norm(torch.stack([T, 2 * T], 1), 'nuc', dim=(0, 2), keepdim=True)",
     [[[5.90036762718], [11.8007352544]]]),
    ("torch.norm(T, p='nuc')", 5.90036762718),
    ("L.norm(T, 2)", 3.40036762718),
    ("[L.matrix_norm(torch.zeros(2, 0, 3), p) for p in (1, 2, inf, 'nuc')]",
     [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]),
    ("L.multi_dot([T, N[:2], V])",
     [[-3.4375, -2.375], [-2.03125, -1.3125], [10.875, 7.75], [7.3125, 5.125]]),
    ("L.multi_dot([W[:, 0], T, V[:2, 1]])", -0.625),
    ("torch.chain_matmul(T, N[:2], V)",
     [[-3.4375, -2.375], [-2.03125, -1.3125], [10.875, 7.75], [7.3125, 5.125]]),
    ("L.tensorinv(torch.arange(36.).view(2, 3, 6).double() + 5 * torch.eye(6).view(2, 3, 6))",
     [[[-0.625, -0.5875, -0.35], [-0.1125, 0.125, 0.3625]], [[-0.525, -0.1775, -0.23], [-0.0825,
     0.065, 0.2125]], [[-0.225, -0.1675, 0.09], [-0.0525, 0.005, 0.0625]], [[0.075, 0.0425,
     0.01], [0.1775, -0.055, -0.0875]], [[0.375, 0.2525, 0.13], [0.0075, 0.085, -0.2375]],
     [[0.675, 0.4625, 0.25], [0.0375, -0.175, -0.1875]]]),
    ("L.tensorsolve(torch.arange(36.).view(2, 3, 6).double() + 5 * torch.eye(6).view(2, 3, 6), "
     "torch.ones(2, 3).double())",
     [-1.1875, -0.7375, -0.2875, 0.1625, 0.6125, 1.0625]),
    ("L.vander(V[:, 0])", [[1.0, 1.0, 1.0], [1.0, 0.5, 0.25], [1.0, 3.0, 9.0]]),
    ("L.vander(torch.tensor([1, 2, 3]), N=2)", [[1, 1], [1, 2], [1, 3]]),
    ("L.vander(torch.tensor(2.0), N=3)", [[1.0, 2.0, 4.0]]),
    ("L.cross(V.mT, T[:3].mT)", [[-5.75, 2.5, 1.5], [-3.0, -6.0, 0.0]]),
    ("torch.cross(V, T[:3])", [[-5.75, -3.0], [2.5, -6.0], [1.5, 0.0]]),
    ("V.cross(T[:3], dim=0)", [[-5.75, -3.0], [2.5, -6.0], [1.5, 0.0]]),
    ("L.vecdot(V, T[:3])", [0.0, 0.75, 1.5]),
    ("L.matmul(N, V)", [[-1.5, -1.0], [3.875, 2.75], [0.0, -5.0]]),
    ("L.diagonal(B, offset=1)", [[1.0, 0.25], [2.0, 0.5]]),
    ("gradient(lambda a: L.qr(a).Q, T)",
     [[[-0.357634339535, -0.734419795475], [-0.821182830232, -0.515047648775], [-1.21419396279,
     0.642219907732], [-2.60709698139, -1.44340513916]]]),
    ("gradient(lambda a: L.qr(a).R, N)",
     [[[-0.274812257019, 2.2112271804, 1.74924793818], [-0.899146386838, 4.1485465714,
     6.39499558617], [0.531692024015, 6.21372648044, 9.05782330937]]]),
    ("gradient(lambda a: L.qr(a).Q, T.mT)",
     [[[-1.2521980674, 0.0, 0.0, 0.0], [-2.5043961348, 0.0, 0.0, 0.0]]]),
    ("gradient(lambda a: L.svdvals(a), T)",
     [[[0.8, -0.147042924419], [1.6, 0.0735214622094], [0.4, 0.882257546513], [-0.8,
     0.441128773256]]]),
    ("gradient(lambda a: product(*L.svd(a, full_matrices=False)), T)",
     [[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]]),
    ("gradient(lambda a: L.svd(a, full_matrices=False).U.square(), T)",
     [[[-0.795675675676, 0.426542001461], [-0.242162162162, 0.0115938641344], [0.422054054054,
     -0.123792549306], [-1.06897297297, 0.387833455077]]]),
    ("gradient(lambda a: L.eigh(a).eigenvectors.square(), A)",
     [[[5.06105877093e-17, 1.33700161237e-17, -1.10519839336e-16], [1.33700161237e-17,
     -2.65828427466e-16, 5.46947609283e-17], [-1.10519839336e-16, 5.46947609283e-17,
     2.15217839757e-16]]]),
    ("gradient(lambda a: L.eigvalsh(a), A)",
     [[[2.6069484163, 0.581347102973, -0.396278968953], [0.581347102973, 2.07360377581,
     0.294144409446], [-0.396278968953, 0.294144409446, 1.31944780789]]]),
    ("gradient(L.solve, N, V)",
     [[[-0.233313694133, 0.598602811211, 0.181466206548], [2.9377998485, -7.86061779312,
     1.27060011784], [1.76887467385, -4.6999410824, 0.401986364784]], [[-0.385321100917,
     -0.256880733945], [4.36697247706, 5.57798165138], [2.67889908257, 3.11926605505]]]),
    ("gradient(lambda a, b: L.solve(a, b, left=False), N, V.mT)",
     [[[-0.0141402238869, 1.66652638667, 2.11497348708], [0.123558623012, -5.41940914064,
     -7.05226832758], [0.336840333305, 1.44381786045, 1.04688157562]], [[-0.0917431192661,
     1.66972477064, 2.29357798165], [0.293577981651, 4.25688073394, 4.66055045872]]]),
    ("gradient(L.solve, B, V)",
     [[[[-0.646628683408, 0.439795325882, -0.817535201045], [-0.897554071709, 0.581724488315,
     -1.282043838], [-3.2934388155, 2.10349833067, -4.86340542894]], [[-0.424598187428,
     0.240690873101, -0.609605464884], [-0.443009567428, 0.249372586311, -0.644288070795],
     [-1.13207242524, 0.63500708339, -1.65696365154]]], [[1.23496364312, 1.61669231994],
     [1.54120800382, 1.83515736957], [4.79648638607, 5.5518709198]]]),
    ("gradient(L.det, B)",
     [[[[5.9375, -2.125, 1.75], [-2.125, 7.75, -1.5], [1.75, -1.5, 11.0]], [[69.5, -21.0, 16.0],
     [-21.0, 88.0, -13.0], [16.0, -13.0, 118.0]]]]),
    ("gradient(L.lu_factor_ex, N)",
     [[[-0.567901234568, 1.86419753086, 2.0], [2.27777777778, 7.05555555556, 9.0],
     [2.56635802469, 7.75771604938, 10.25]]]),
    ("gradient(lambda a: L.lu(a).L, T)",
     [[[2.24468085106, 2.04255319149], [0.0489474875509, 0.608420099593], [1.63399728384,
     -1.07197827071], [3.15957446809, 2.72340425532]]]),
    ("gradient(lambda a: L.lu(a).U, T.mT)", [[[-2.75, 5.0, 6.5, 8.0], [-7.5, 6.0, 7.0, 8.0]]]),
    ("gradient(lambda a, b: L.lu_solve(a, torch.tensor([2, 3, 3], dtype=torch.int32), b), N, V)",
     [[[356.0, -81.0, 13.0], [-48.0, 282.0, -50.0], [34.0, -111.0, 142.0]], [[20.0, 44.0], [78.0,
     182.0], [-24.0, -60.0]]]),
    ("gradient(lambda a, b: L.lstsq(a, b).solution, T, W)",
     [[[-0.0913297297297, 0.0504426588751], [-0.178335135135, 0.134778670562], [-0.994421621622,
     -0.716926223521], [0.334789189189, 0.599374726077]], [[0.0302702702703, 0.147027027027],
     [0.384864864865, 0.726486486486], [0.858378378378, 1.19783783784], [0.229189189189,
     0.198918918919]]]),
    ("gradient(L.pinv, T)",
     [[[0.22227027027, 0.291249086925], [-0.0311351351351, -0.361840759679], [-0.725621621622,
     -1.02100803506], [0.197189189189, 0.354360847334]]]),
    ("gradient(L.matrix_exp, N)",
     [[[-8.02667214468, -5.07808941097, 1.75958741411], [24.3362743424, 28.3128819811,
     11.4852798158], [37.9651922313, 38.2910171518, 8.70511607403]]]),
    ("gradient(lambda a: L.matrix_power(a, 3), N)",
     [[[-3.25, -9.6875, 14.75], [34.5, 36.6875, -3.625], [71.25, 53.9375, 18.125]]]),
    ("gradient(L.householder_product, T, V[:2, 0])",
     [[[0.0, 0.0], [-9.5, 0.0], [-3.5, -1.75], [-11.25, -6.5]], [-7.5, -24.0]]),
    ("gradient(lambda a, b, c: torch.ormqr(a, b, c, transpose=True), T, V[:2, 0], W)",
     [[[0.0, 0.0], [120.625, 0.0], [175.375, 35.4375], [126.4375, -90.625]], [110.25, 63.5],
     [[27.0, 31.0], [40.75, 45.0], [-24.75, -30.5], [-40.375, -46.5]]]),
    ("gradient(lambda a: L.cond(a), N)",
     [[[-0.0571659687886, 0.15573204664, 0.319536907545], [0.235030108788, -0.742044594583,
     -1.55941087391], [-0.812262769718, -0.0836818442282, -1.0033275113]]]),
    ("gradient(lambda a: L.matrix_norm(a, 2), T)",
     [[[0.0, -0.147042924419], [0.0, 0.0735214622094], [0.0, 0.882257546513], [0.0,
     0.441128773256]]]),
    ("[L.solve(N, V).stride(), L.lu(T)[0].stride(), L.pinv(T).stride()]", [[1, 3], [4, 1], [4, 1]]),
]

REFUSED = [
    ("L.solve(Z, torch.ones(2))", torch.linalg.LinAlgError,
     'torch.linalg.solve: The solver failed because the input matrix is singular.'),
    ("L.inv(Z)", torch.linalg.LinAlgError,
     'linalg.inv: The diagonal element 1 is zero, the inversion could not be completed '
     'because the input matrix is singular.'),
    ("L.lu_factor(Z)", RuntimeError,
     'torch.linalg.lu_factor: U[1,1] is zero and using it on lu_solve would result in a '
     'division by zero. If you still want to perform the factorization, consider calling '
     'linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)'),
    ("L.svd(Z * float('nan'))", torch.linalg.LinAlgError,
     'linalg.svd: The algorithm failed to converge because the input matrix contained '
     'non-finite values.'),
    ("L.qr(Z, 'x')", RuntimeError,
     "qr received unrecognized mode 'x' but expected one of 'reduced' (default), 'r', or "
     "'complete'"),
    ("L.qr(Z.long())", RuntimeError,
     'linalg.qr: Expected a floating point or complex tensor as input. Got Long'),
    ("L.svd(Z.half())", NotImplementedError, '"linalg_svd_cpu" not implemented for \'Half\''),
    ("L.eigh(Z, UPLO='X')", RuntimeError, "Expected UPLO argument to be 'L' or 'U', but got X"),
    ("L.solve(torch.eye(2), torch.ones(3))", RuntimeError,
     'linalg.solve: Incompatible shapes of A and B for the equation AX = B (2x2 and 3x1)'),
    ("L.solve(torch.ones(2, 3), Z)", RuntimeError,
     'linalg.solve: A must be batches of square matrices, but they are 2 by 3 matrices'),
    ("L.solve(torch.eye(2), torch.ones(2).double())", RuntimeError,
     'linalg.solve: Expected A and B to have the same dtype, but found A of type Float and'
     ' B of type Double instead'),
    ("L.lu_solve(Z, torch.tensor([1, 5], dtype=torch.int32), Z)", RuntimeError,
     'Pivots given to lu_solve must all be smaller or equal to LU.size(-2). Did you '
     'properly pass the result of lu_factor?'),
    ("torch.lu_unpack(Z, torch.tensor([1, 5], dtype=torch.int32))", RuntimeError,
     'pivots passed to lu_unpack must be between 1 and LU.size(-2) inclusive.Did you '
     'properly pass the result of lu_factor?'),
    ("L.lstsq(T, W[:3])", RuntimeError,
     'torch.linalg.lstsq: input.size(-2) should match other.size(-2)'),
    ("L.lstsq(T, W, driver='x')", RuntimeError,
     'torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)'),
    ("L.cond(Z, 3)", RuntimeError, 'linalg.cond got an invalid norm type: 3'),
    ("L.matrix_norm(Z, 3)", RuntimeError, 'linalg.matrix_norm: Order 3 not supported.'),
    ("L.multi_dot([Z])", RuntimeError, 'multi_dot(): expected at least 2 tensors but got 1'),
    ("L.tensorinv(torch.ones(2, 3, 4), 1)", RuntimeError,
     'Expected self to satisfy the requirement prod(self.shape[ind:]) == '
     'prod(self.shape[:ind]), but got 12 != 2'),
    ("L.householder_product(Z, torch.ones(3))", RuntimeError,
     'torch.linalg.householder_product: input.shape[-1] must be greater than or equal to '
     'tau.shape[-1]'),
    ("torch.ormqr(Z, torch.ones(3), Z)", RuntimeError,
     'torch.ormqr: tau.shape[-1] must be equal to min(other.shape[-2], input.shape[-1])'),
    ("L.matrix_power(T, 2)", RuntimeError,
     'linalg.matrix_power: A must be batches of square matrices, but they are 4 by 2 matrices'),
    ("L.cross(Z, Z)", RuntimeError,
     'linalg.cross: inputs dimension -1 must have length 3. Got 2 and 2'),
    ("torch.cross(Z, Z)", RuntimeError, 'no dimension of size 3 in input'),
    ("L.vecdot(Z, Z.double())", RuntimeError,
     'linalg.vecdot: Expected x and y to have the same dtype, but found x of type Float '
     'and y of type Double instead'),
    ("L.vander(torch.ones(2), N=1)", RuntimeError, 'N must be greater than 1.'),
    ("L.svd(Z, driver='gesvd')", RuntimeError,
     'torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with '
     'cuSOLVER backend.'),
    ("L.lu(Z, pivot=False)", RuntimeError,
     'linalg.lu_factor: LU without pivoting is not implemented on the CPU'),
    ("torch.geqrf(Z[0])", RuntimeError, 'torch.geqrf: input must have at least 2 dimensions.'),
    ("L.ldl_solve(Z, torch.ones(2, dtype=torch.int32), torch.ones(3, 1))", RuntimeError,
     'Incompatible matrix sizes for torch.linalg.ldl_solve: each A matrix is 2 by 2 but '
     'each b matrix is 3 by 1'),
    ("L.qr(T.clone().requires_grad_(), 'complete').Q.sum().backward()", RuntimeError,
     "The QR decomposition is not differentiable when mode='complete' and nrows > ncols."),
    ("L.qr(T.clone().requires_grad_(), 'r').R.sum().backward()", RuntimeError,
     "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. "
     "Please use linalg.qr(A, mode='reduced') if you are going to differentiate through "
     'linalg.qr.'),
    ("torch.pca_lowrank(T, q=9)", ValueError,
     'q(=9) must be non-negative integer and not greater than min(m, n)=2'),
]

ORTHOGONAL = [
    [[0.5349525, -0.1699301], [-0.7563608, 0.3401838], [-0.376489, -0.9248777]],
    [[-0.007620454, 0.5460198, -0.8377376], [-0.9727077, -0.1983372, -0.1204237]],
]

R = torch.tensor([[0.0, 1.0, 0.5], [-1.0, 0.25, 0.75], [-0.5, -1.0, 0.5]], dtype=torch.float64)
EIG = [
    [[1.57086289669, 0.427355442676, -0.20750399902], [0.20750399902, 2.0430918764,
     1.37181340209], [-0.375479442921, 0.485405164748, 2.38604522692]],
    [[-0.629138006871, -0.664792549919, 1.72300052012], [-1.98355338208, -0.915804624926,
     1.05811735963], [-2.59231056787, -0.179244618631, 1.5449426318]],
]


def plain(value):
    if isinstance(value, torch.Tensor):
        return value.tolist()
    return [plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def near(a, b, tolerance):
    if isinstance(a, list):
        return len(a) == len(b) and all(near(x, y, tolerance) for x, y in zip(a, b))
    return a == b or (a != a and b != b) or math.isclose(a, b, rel_tol=tolerance, abs_tol=1e-11)


@pytest.mark.parametrize("text, known", KNOWN, ids=[text for text, _ in KNOWN])
def test_numbers_are_pytorchs(text, known):
    answer = plain(eval(text))
    assert near(answer, known, 1e-9), answer


@pytest.mark.parametrize("text, kind, message", REFUSED, ids=[text for text, *_ in REFUSED])
def test_refused_as_pytorch_does(text, kind, message):
    with pytest.raises(kind) as caught:
        eval(text)
    assert str(caught.value).split("\n")[0].rstrip(".") == message.rstrip(".")


def distance(a, b):
    return (a - b).abs().max().item() if a.numel() else 0.0


@pytest.mark.parametrize("dtype, bound", [(torch.float32, 1e-4), (torch.float64, 1e-12)])
@pytest.mark.parametrize(
    "m, n", [(1, 1), (7, 4), (4, 7), (70, 33), (33, 70), (90, 90), (0, 3), (3, 0)]
)
def test_factors_multiply_to_the_matrix(m, n, dtype, bound):
    torch.manual_seed(m + n)
    a = torch.randn(2, m, n, dtype=dtype)
    wide, tall = torch.eye(n, dtype=dtype), torch.eye(m, dtype=dtype)
    for mode in ("reduced", "complete"):
        q, r = L.qr(a, mode)
        assert distance(q @ r, a) < bound and distance(q.mT @ q, torch.eye(q.shape[-1])) < bound
        assert distance(r.tril(-1), torch.zeros(())) == 0
    u, s, vh = L.svd(a)
    k = min(m, n)
    assert distance(u.mT @ u, tall) < bound and distance(vh @ vh.mT, wide) < bound
    assert distance(product(u[..., :k], s, vh[..., :k, :]), a) < bound
    assert distance(L.svdvals(a), s) < bound and (s[..., 1:] <= s[..., :-1]).all()
    p, lower, upper = L.lu(a)
    assert distance(p @ lower @ upper, a) < bound
    assert distance(a @ L.pinv(a) @ a, a) < 10 * bound


@pytest.mark.parametrize("n", [1, 2, 5, 40, 90])
def test_equations_are_solved(n):
    torch.manual_seed(n)
    a = torch.randn(3, n, n, dtype=torch.float64) + torch.eye(n).double()
    s, b = a + a.mT, torch.randn(3, n, 2, dtype=torch.float64)
    w, v = L.eigh(s)
    assert distance(product(v, w, v.mT), s) < 1e-10
    assert distance(L.eigvalsh(s), w) < 1e-10
    assert distance(a @ L.solve(a, b), b) < 1e-8
    assert distance(L.solve(a, b.mT, left=False) @ a, b.mT) < 1e-8
    assert distance(a.mT @ L.lu_solve(*L.lu_factor(a), b, adjoint=True), b) < 1e-8
    assert distance(s @ L.ldl_solve(*L.ldl_factor(s), b), b) < 1e-7
    assert distance(a @ L.inv(a), torch.eye(n).double()) < 1e-8


def test_singular_values_of_matrices_that_have_zeros_or_extremes():
    cases = [torch.zeros(3, 3), torch.ones(4, 4)]
    cases += [torch.diag(torch.tensor([0.0, 2.0, 0.0, 1.0]))]
    cases += [torch.tensor([[0.0, 1.0], [0.0, 0.0]]), torch.tensor([[1e30, 1.0], [1.0, 1e-30]])]
    for a in (t.double() for t in cases):
        u, s, vh = L.svd(a)
        assert distance(product(u, s, vh), a) <= 1e-14 * max(1.0, a.abs().max().item())
        assert distance(u.mT @ u, torch.eye(len(a))) < 1e-14
    large = torch.full((2, 2), 1e200, dtype=torch.float64)
    assert L.svdvals(large)[0].item() == pytest.approx(2e200)
    assert L.svdvals(torch.full((2, 2), inf)).isnan().all()


def test_signs_do_not_hang_on_rounding():
    torch.manual_seed(3)
    a = torch.randn(50, 6, 6, dtype=torch.float64)
    assert distance(L.svd(a).U, L.svd(a.float()).U) < 1e-2
    assert distance(L.eigh(a + a.mT)[1], L.eigh((a + a.mT).float())[1]) < 1e-2


@pytest.mark.parametrize("n", [1, 2, 5, 30])
def test_eigenvalues_of_any_matrix(n):
    torch.manual_seed(n)
    a = torch.randn(2, n, n, dtype=torch.float64)
    w, v = L.eig(a)
    assert w.dtype == v.dtype == torch.complex128
    assert distance(a.to(torch.complex128) @ v, v * w.unsqueeze(-2)) < 1e-12
    assert distance((v.abs() ** 2).sum(-2), torch.ones(())) < 1e-12
    assert distance(w.real.sum(-1), a.diagonal(dim1=-2, dim2=-1).sum(-1)) < 1e-12
    assert distance(w.imag.sum(-1), torch.zeros(())) < 1e-12
    assert L.eigvals(a.float()).dtype == torch.complex64


def test_gradients_of_eigenvalues_and_of_phaseless_functions_of_the_vectors():
    a = N.clone().requires_grad_()
    w, v = L.eig(a)
    (w.real * torch.arange(1, 4)).sum().backward()
    assert near(a.grad.tolist(), EIG[0], 1e-9)
    a.grad = None
    w, v = L.eig(a)
    (v.abs() ** 2 * torch.arange(1.0, 10.0).reshape(3, 3)).sum().backward()
    assert near(a.grad.tolist(), EIG[1], 1e-9)
    with pytest.raises(RuntimeError, match="specified up to multiplication by e"):
        L.eig(R.clone().requires_grad_()).eigenvectors.real.sum().backward()
    with pytest.raises(RuntimeError, match="should not contain infs or NaNs"):
        L.eig(Z * inf)


def test_the_gradient_of_a_determinant_of_a_singular_matrix_is_its_cofactors():
    a = torch.tensor([[1.0, 2.0], [2.0, 4.0]], dtype=torch.float64, requires_grad=True)
    L.det(a).backward()
    assert near(a.grad.tolist(), [[4.0, -2.0], [-2.0, 1.0]], 1e-12)


def test_low_rank_approximations():
    torch.manual_seed(0)
    a = torch.randn(30, 4, dtype=torch.float64) @ torch.randn(4, 20, dtype=torch.float64)
    for x in (a, a.mT):
        u, s, v = torch.svd_lowrank(x, q=4)
        assert distance(product(u, s, v.mT), x) < 1e-10
    u, s, v = torch.pca_lowrank(a, q=5)
    assert distance(product(u, s, v.mT), a - a.mean(0)) < 1e-10


def test_some_eigenvalues_of_large_matrices():
    torch.manual_seed(0)
    a = torch.randn(2, 40, 40, dtype=torch.float64)
    a, b = a @ a.mT, torch.diag(torch.arange(1.0, 41.0)).double()
    for largest in (True, False):
        w, x = torch.lobpcg(a, k=3, largest=largest, tol=1e-9)
        every = L.eigvalsh(a).flip(-1) if largest else L.eigvalsh(a)
        assert distance(w, every[:, :3]) < 1e-8
        assert distance(a @ x, x * w.unsqueeze(-2)) < 1e-4
    w, x = torch.lobpcg(a[0], k=2, B=b, tol=1e-9)
    assert distance(a[0] @ x, b @ x * w) < 1e-5
    a = a[0].requires_grad_()
    torch.lobpcg(a, k=1, tol=1e-10)[0].sum().backward()
    top = L.eigh(a.detach()).eigenvectors[:, -1:]
    assert distance(a.grad, top @ top.mT) < 1e-6
    with pytest.raises(ValueError, match="is smaller than 3 x the number of requested"):
        torch.lobpcg(torch.eye(5), k=2)


@pytest.mark.parametrize("text", [
    "torch.lu_unpack(N, torch.tensor(1, dtype=torch.int32))",
    "torch.lu_unpack(Z, torch.ones(5, dtype=torch.int32))",
    "L.ldl_solve(Z, torch.tensor([1, -1], dtype=torch.int32), Z)",
    "L.lu_solve(Z, torch.tensor([0, 1], dtype=torch.int32), Z)",
    "L.cross(torch.tensor(1.0), torch.tensor(1.0))",
])
def test_what_would_lead_out_of_the_matrix_is_refused(text):
    with pytest.raises((RuntimeError, IndexError)):
        eval(text)


@pytest.mark.parametrize("name", ["symeig", "eig", "lstsq", "solve", "matrix_rank"])
def test_removed_functions_say_what_to_use(name):
    with pytest.raises(RuntimeError, match="deprecated since version 1.9 and is now removed"):
        getattr(torch, name)(Z, Z)


def test_out_takes_the_results():
    q, r = torch.empty(0), torch.empty(0)
    L.qr(N, out=(q, r))
    assert distance(q @ r, N) < 1e-5
    x = torch.empty(0, dtype=torch.float64)
    assert L.solve(N, V, out=x) is x and distance(N @ x, V) < 1e-12


def test_orthogonal_weights_are_pytorchs():
    torch.manual_seed(0)
    w = torch.nn.init.orthogonal_(torch.empty(3, 2))
    assert near(w.tolist(), ORTHOGONAL[0], 1e-5)
    torch.manual_seed(0)
    layer = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(3, 2))
    assert near(layer.weight.tolist(), ORTHOGONAL[1], 1e-5)


def test_gradients_of_values_that_repeat():
    """What only values are asked for is free of the gaps between them, by which vectors turn."""
    for function in (torch.linalg.svdvals, torch.linalg.eigvalsh, lambda x: torch.linalg.eigh(x)[0],
                     lambda x: torch.linalg.svd(x, full_matrices=False)[1]):
        x = torch.eye(3, requires_grad=True)
        function(x).sum().backward()
        assert torch.allclose(x.grad, torch.eye(3))
    ones = torch.ones(3, 2, requires_grad=True)
    torch.linalg.svdvals(ones)[0].backward()
    assert torch.allclose(ones.grad, torch.full((3, 2), 6 ** -0.5))


def test_vmap_looks_at_each_sample():
    singular = torch.stack([torch.eye(2), torch.zeros(2, 2)])
    for function in (torch.linalg.inv, torch.linalg.cholesky):
        with pytest.raises(torch.linalg.LinAlgError):
            torch.func.vmap(function)(singular)
        assert torch.func.vmap(function)(singular[:0]).shape == (0, 2, 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dot_does_not_depend_on_strides(dtype):
    torch.manual_seed(0)
    x, y = torch.randn(2000, dtype=dtype), torch.randn(2000, dtype=dtype)
    same = torch.dot(x[::2].contiguous(), y[1::2].contiguous())
    assert torch.equal(torch.dot(x[::2], y[1::2]), same) and torch.equal(x[::2] @ y[1::2].contiguous(), same)
    assert torch.dot(x[:1].expand(3), y[:3]).item() == pytest.approx((x[0] * y[:3]).sum().item(), rel=1e-5)


def test_solve_triangular_takes_the_matrix_dtype():
    right = torch.tensor([[2.0 + 1j, 4.0], [6.0, 8.0 - 3j]], dtype=torch.complex64)
    y = L.solve_triangular(torch.eye(2).double() * 2, right, upper=False)
    assert y.dtype == torch.float64 and y.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    y = L.solve_triangular(torch.eye(2).cfloat() * 2j, right.real.double(), upper=True)
    assert y.dtype == torch.complex64 and y.tolist() == [[-1j, -2j], [-3j, -4j]]
