"""The multivariate normal distribution (source: torch.distributions.MultivariateNormal)."""

import math

import flambeau as fl
from flambeau import _C
from flambeau.distributions import constraints
from flambeau.distributions.distribution import Distribution
from flambeau.distributions.utils import _standard_normal, lazy_property

__all__ = ["MultivariateNormal"]


def _batch_mv(bmat, bvec):
    """Products of batches of matrices [..., n, m] and vectors [..., m], which broadcast."""
    return fl.matmul(bmat, bvec.unsqueeze(-1)).squeeze(-1)


def _log_diagonal(matrix):
    """The logarithm of the product of the diagonal."""
    return matrix.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _batch_mahalanobis(bL, bx):
    """x^T (L L^T)^-1 x. bL [b, n, n], bx [..., b, n], where b broadcasts with any batch dims.

    Each factor is read once: the vectors that meet it become the columns of one right side, so
    that the batch dims of bx are split into the repetitions of bL's and bL's, and these swapped
    to the front.
    """
    n = bx.size(-1)
    batch, factors = bx.shape[:-1], bL.shape[:-2]
    outer = len(batch) - len(factors)
    split = list(batch[:outer])
    for size_l, size_x in zip(factors, batch[outer:]):
        split += [size_x // size_l, size_l]
    bx = bx.reshape(split + [n])
    repeats, own = range(outer, len(split), 2), range(outer + 1, len(split), 2)
    bx = bx.permute([*range(outer), *repeats, *own, len(split)])
    flat_l = bL.reshape(-1, n, n)
    flat_x = bx.reshape(-1, flat_l.size(0), n).permute(1, 2, 0)
    solved = fl.linalg.solve_triangular(flat_l, flat_x, upper=False)
    distances = solved.pow(2).sum(-2).t().reshape(bx.shape[:-1])
    back = list(range(outer))
    for i in range(len(factors)):
        back += [outer + i, len(batch) + i]
    return distances.permute(back).reshape(batch)


def _precision_to_scale_tril(P):
    """The lower factor of P^-1: P turned by 180 degrees has a factor which, turned back, is the
    upper one of P; its inverse, transposed, is what is sought."""
    factor = fl.linalg.cholesky(fl.flip(P, (-2, -1)))
    inverse = fl.transpose(fl.flip(factor, (-2, -1)), -2, -1)
    identity = fl.eye(P.shape[-1], dtype=P.dtype, device=P.device)
    return fl.linalg.solve_triangular(inverse, identity, upper=False)


class MultivariateNormal(Distribution):
    """Normal vectors of mean loc [..., n] and a covariance [..., n, n] that is given as
    covariance_matrix, its inverse precision_matrix, or its lower factor scale_tril, which is what
    is computed with. ValueError unless exactly one of them is given; LinAlgError where it is not
    positive-definite.
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc,
        covariance_matrix=None,
        precision_matrix=None,
        scale_tril=None,
        validate_args=None,
    ):
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        given = {
            "scale_tril": scale_tril,
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
        }
        given = [(name, value) for name, value in given.items() if value is not None]
        if len(given) != 1:
            raise ValueError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be "
                "specified."
            )
        ((name, matrix),) = given
        if matrix.dim() < 2:
            what = name + " matrix" if name == "scale_tril" else name
            raise ValueError(
                f"{what} must be at least two-dimensional, with optional leading batch dimensions"
            )
        batch_shape = fl.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        setattr(self, name, matrix.expand(batch_shape + (-1, -1)))
        self.loc = loc.expand(batch_shape + (-1,))
        super().__init__(batch_shape, self.loc.shape[-1:], validate_args=validate_args)
        if name == "covariance_matrix":
            matrix = fl.linalg.cholesky(matrix)
        elif name == "precision_matrix":
            matrix = _precision_to_scale_tril(matrix)
        self._unbroadcasted_scale_tril = matrix

    def expand(self, batch_shape, _instance=None):
        new = self._expanded(
            MultivariateNormal, batch_shape, _instance,
            "loc", "covariance_matrix", "scale_tril", "precision_matrix",
        )  # fmt: skip
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril
        return new

    def _whole(self, matrix):
        return matrix.expand(self._batch_shape + self._event_shape + self._event_shape)

    @lazy_property
    def scale_tril(self):
        return self._whole(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self):
        factor = self._unbroadcasted_scale_tril
        return self._whole(fl.matmul(factor, factor.mT))

    @lazy_property
    def precision_matrix(self):
        return self._whole(fl.cholesky_inverse(self._unbroadcasted_scale_tril))

    @property
    def mean(self):
        return self.loc

    @property
    def mode(self):
        return self.loc

    @property
    def variance(self):
        variance = self._unbroadcasted_scale_tril.pow(2).sum(-1)
        return variance.expand(self._batch_shape + self._event_shape)

    def rsample(self, sample_shape=_C.Size()):
        shape = self._extended_shape(sample_shape)
        eps = _standard_normal(shape, dtype=self.loc.dtype, device=self.loc.device)
        return self.loc + _batch_mv(self._unbroadcasted_scale_tril, eps)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        distance = _batch_mahalanobis(self._unbroadcasted_scale_tril, value - self.loc)
        constant = self._event_shape[0] * math.log(2 * math.pi)
        return -0.5 * (constant + distance) - _log_diagonal(self._unbroadcasted_scale_tril)

    def entropy(self):
        half_log_det = _log_diagonal(self._unbroadcasted_scale_tril)
        entropy = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + half_log_det
        return entropy.expand(self._batch_shape)
