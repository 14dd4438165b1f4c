"""Factors of matrices under their older names, and approximate ones of large matrices."""

from functools import cache

import flambeau
from flambeau import _C

linalg = _C._linalg


@cache
def _warn_of_lu():
    """PyTorch's warning, the first time."""
    import warnings

    warnings.warn(
        "torch.lu is deprecated in favor of torch.linalg.lu_factor / torch.linalg.lu_factor_ex and "
        "will be removed in a future PyTorch release.\n"
        "LU, pivots = torch.lu(A, compute_pivots)\n"
        "should be replaced with\n"
        "LU, pivots = torch.linalg.lu_factor(A, compute_pivots)\n"
        "and\n"
        "LU, pivots, info = torch.lu(A, compute_pivots, get_infos=True)\n"
        "should be replaced with\n"
        "LU, pivots, info = torch.linalg.lu_factor_ex(A, compute_pivots)",
        UserWarning,
        stacklevel=3,
    )


def lu(A, pivot=True, get_infos=False, out=None):
    """(LU, pivots), or (LU, pivots, info), of A = P L U (source: torch.lu). Singular matrices are
    refused unless get_infos."""
    _warn_of_lu()
    result = linalg.lu_factor_ex(A, pivot=pivot)
    if not get_infos:
        result = tuple(result[:2])
    if out is None:
        return result
    if len(out) != len(result):
        raise TypeError(f"expected tuple of {len(result)} elements but got {len(out)}")
    for to, value in zip(out, result):
        to.resize_(value.shape).copy_(value)
    return out


def _basis(A, q, niter, M=None):
    """Orthonormal columns that nearly span what A - M maps to (Halko, Martinsson and Tropp,
    "Finding structure with randomness", 2009, algorithm 4.4)."""
    A = A if M is None else A - M
    X = A @ flambeau.randn(A.shape[-1], q, dtype=A.dtype)
    Q = linalg.qr(X).Q
    for _ in range(2 if niter is None else niter):
        Q = linalg.qr(A.mT @ Q).Q
        Q = linalg.qr(A @ Q).Q
    return Q


def svd_lowrank(A, q: int | None = 6, niter: int | None = 2, M=None):
    """(U, S, V) of about the q largest singular values of A - M, found from random products
    (source: torch.svd_lowrank)."""
    A = A if M is None else A - M.expand(A.shape)
    q = 6 if q is None else q
    wide = A.shape[-2] < A.shape[-1]
    A = A.mT if wide else A
    Q = _basis(A, q, niter)
    U, S, Vh = linalg.svd(Q.mT @ A, full_matrices=False)
    U, V = Q @ U, Vh.mT
    return (V, S, U) if wide else (U, S, V)


def pca_lowrank(A, q=None, center=True, niter=2):
    """Principal components of the rows of A: svd_lowrank of A less its mean row (source:
    torch.pca_lowrank)."""
    m, n = A.shape[-2:]
    q = min(6, m, n) if q is None else q
    if not 0 <= q <= min(m, n):
        raise ValueError(
            f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}"
        )
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - A.mean(-2, keepdim=True) if center else A, q, niter)


def _ritz(A, B, S, count, largest):
    """The best approximations of eigenpairs in the span of S: (values, vectors)."""
    S = linalg.qr(S).Q
    L = linalg.cholesky(S.mT @ S if B is None else S.mT @ (B @ S))
    H = linalg.solve_triangular(L, S.mT @ (A @ S), upper=False)
    E, Z = linalg.eigh(linalg.solve_triangular(L.mT, H, upper=True, left=False))
    order = flambeau.arange(count)
    order = len(E) - 1 - order if largest else order
    return E[order], S @ linalg.solve_triangular(L.mT, Z[:, order], upper=True)


def _lobpcg(A, B, X, iK, niter, tol, largest):
    """Knyazev, "Toward the optimal preconditioned eigensolver", 2001, algorithm 5.1."""
    count, P = X.shape[-1], None
    E, X = _ritz(A, B, X, count, largest)
    while niter != 0:
        AX, BX = A @ X, X if B is None else B @ X
        R = AX - BX * E
        size = AX.norm(dim=0) + E.abs() * BX.norm(dim=0)
        if bool((R.norm(dim=0) <= tol * size).all()):
            break
        W = R if iK is None else iK @ R
        before = X
        E, X = _ritz(A, B, flambeau.cat([t for t in (X, W, P) if t is not None], 1), count, largest)
        P = X - before @ (before.mT @ X)
        P = P / P.norm(dim=0).clamp(min=1e-300 if P.dtype == flambeau.float64 else 1e-30)
        niter -= 1
    return E, X


def lobpcg(A, k=None, B=None, X=None, n=None, iK=None, niter=None, tol=None, largest=None,
           method=None, tracker=None, ortho_iparams=None, ortho_fparams=None, ortho_bparams=None):
    """The k largest (or smallest) eigenvalues of A x = w B x, A and B symmetric, B
    positive-definite, and their vectors (source: torch.lobpcg). iK is a preconditioner. The values
    have gradients with respect to A and B; the vectors have none."""
    m = A.shape[-1]
    if A.shape[-2] != m:
        raise ValueError(f"A must be a square matrix, got {tuple(A.shape)}")
    k = (1 if X is None else X.shape[-1]) if k is None else k
    n = (k if X is None else X.shape[-1]) if n is None else n
    if m < 3 * n:
        raise ValueError(
            f"LPBPCG algorithm is not applicable when the number of A rows (={m}) is smaller than "
            f"3 x the number of requested eigenpairs (={n})"
        )
    largest = True if largest is None else largest
    tol = flambeau.finfo(A.dtype).eps ** 0.5 if tol is None else tol
    niter = 1000 if niter is None or niter < 0 else niter
    batch = A.shape[:-2]
    values, vectors = [], []
    with flambeau.no_grad():
        start = flambeau.randn(*batch, m, n, dtype=A.dtype) if X is None else X
        for i in range(batch.numel()):
            a, b, p, x = (t if t is None else t.detach().reshape(-1, *t.shape[-2:])[i]
                          for t in (A, B, iK, start))
            E, x = _lobpcg(a, b, x, p, niter, tol, largest)
            values.append(E[:k])
            vectors.append(x[:, :k])
        X = flambeau.stack(vectors).reshape(*batch, m, k)
        E = flambeau.stack(values).reshape(*batch, k)
    if A.requires_grad or (B is not None and B.requires_grad):
        below = (X * (X if B is None else B @ X)).sum(-2)
        E = (X * (A @ X)).sum(-2) / below
    return E, X


def _removed(name, what):
    def refuse(*args, **kwargs):
        raise RuntimeError(
            f"This function was deprecated since version 1.9 and is now removed. {what}"
        )

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = f"Refused, as in PyTorch: use flambeau.linalg (source: torch.{name})."
    return refuse


symeig = _removed("symeig", "Use `torch.linalg.eigh(A, UPLO='U' if upper else 'L')`, or "
                  "`torch.linalg.eigvalsh` for the values alone.")
eig = _removed("eig", "`torch.linalg.eig` returns complex tensors of dtype `cfloat` or `cdouble`; "
               "use it, or `torch.linalg.eigvals`.")
lstsq = _removed("lstsq", "`torch.lstsq` is deprecated in favor of `torch.linalg.lstsq`, which has "
                 "its arguments reversed.")
matrix_rank = _removed("matrix_rank", "Use `torch.linalg.matrix_rank`, where 'symmetric' is called "
                       "'hermitian'.")
solve = _removed("solve", "`torch.solve` is deprecated in favor of `torch.linalg.solve`, which has "
                 "its arguments reversed: X = torch.linalg.solve(A, B)")
