"""The multivariate normal distribution of a covariance of low rank (source:
torch.distributions.LowRankMultivariateNormal)."""

import math

import flambeau as fl
from flambeau import _C
from flambeau.distributions import constraints
from flambeau.distributions.distribution import Distribution
from flambeau.distributions.multivariate_normal import (
    _batch_mahalanobis,
    _batch_mv,
    _log_diagonal,
)
from flambeau.distributions.utils import _standard_normal, lazy_property

__all__ = ["LowRankMultivariateNormal"]


def _factor_with_identity(matrix):
    """The lower factor of matrix + I."""
    n = matrix.size(-1)
    matrix = matrix.contiguous()
    matrix.view(-1, n * n)[:, :: n + 1] += 1
    return fl.linalg.cholesky(matrix)


def _batch_capacitance_tril(W, D):
    """The lower factor of I + W^T D^-1 W, [..., m, m]."""
    return _factor_with_identity(fl.matmul(W.mT / D.unsqueeze(-2), W))


def _batch_lowrank_logdet(W, D, capacitance_tril):
    """log |W W^T + D|, by the matrix determinant lemma."""
    return 2 * _log_diagonal(capacitance_tril) + D.log().sum(-1)


def _batch_lowrank_mahalanobis(W, D, x, capacitance_tril):
    """x^T (W W^T + D)^-1 x, by the Woodbury identity."""
    projected = _batch_mv(W.mT / D.unsqueeze(-2), x)
    return (x.pow(2) / D).sum(-1) - _batch_mahalanobis(capacitance_tril, projected)


class LowRankMultivariateNormal(Distribution):
    """Normal vectors of mean loc [..., n] and covariance cov_factor cov_factor^T + diag(cov_diag),
    cov_factor [..., n, m]: only systems of size m are solved. ValueError where shapes do not fit.
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc, cov_factor, cov_diag, validate_args=None):
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        event_shape = loc.shape[-1:]
        if cov_factor.dim() < 2:
            raise ValueError(
                "cov_factor must be at least two-dimensional, with optional leading batch "
                "dimensions"
            )
        if cov_factor.shape[-2:-1] != event_shape:
            raise ValueError(
                f"cov_factor must be a batch of matrices with shape {event_shape[0]} x m"
            )
        if cov_diag.shape[-1:] != event_shape:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {event_shape}")
        try:
            columns, self.cov_factor, diagonals = fl.broadcast_tensors(
                loc.unsqueeze(-1), cov_factor, cov_diag.unsqueeze(-1)
            )
        except RuntimeError as error:
            raise ValueError(
                f"Incompatible batch shapes: loc {loc.shape}, cov_factor {cov_factor.shape}, "
                f"cov_diag {cov_diag.shape}"
            ) from error
        self.loc = columns[..., 0]
        self.cov_diag = diagonals[..., 0]
        self._unbroadcasted_cov_factor = cov_factor
        self._unbroadcasted_cov_diag = cov_diag
        self._capacitance_tril = _batch_capacitance_tril(cov_factor, cov_diag)
        super().__init__(self.loc.shape[:-1], event_shape, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._expanded(
            LowRankMultivariateNormal, batch_shape, _instance, "loc", "cov_diag", "cov_factor"
        )
        new._unbroadcasted_cov_factor = self._unbroadcasted_cov_factor
        new._unbroadcasted_cov_diag = self._unbroadcasted_cov_diag
        new._capacitance_tril = self._capacitance_tril
        return new

    @property
    def _low_rank(self):
        return self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag

    def _whole(self, matrix):
        return matrix.expand(self._batch_shape + self._event_shape + self._event_shape)

    @property
    def mean(self):
        return self.loc

    @property
    def mode(self):
        return self.loc

    @lazy_property
    def variance(self):
        W, D = self._low_rank
        return (W.pow(2).sum(-1) + D).expand(self._batch_shape + self._event_shape)

    @lazy_property
    def scale_tril(self):
        # D^1/2 times the factor of I + D^-1/2 W W^T D^-1/2, which is better conditioned
        W, D = self._low_rank
        root = D.sqrt().unsqueeze(-1)
        scaled = W / root
        return self._whole(root * _factor_with_identity(fl.matmul(scaled, scaled.mT)))

    @lazy_property
    def covariance_matrix(self):
        W, D = self._low_rank
        return self._whole(fl.matmul(W, W.mT) + fl.diag_embed(D))

    @lazy_property
    def precision_matrix(self):
        W, D = self._low_rank
        A = fl.linalg.solve_triangular(
            self._capacitance_tril, W.mT / D.unsqueeze(-2), upper=False
        )
        return self._whole(fl.diag_embed(D.reciprocal()) - A.mT @ A)

    def rsample(self, sample_shape=_C.Size()):
        W, D = self._low_rank
        shape = self._extended_shape(sample_shape)
        options = {"dtype": self.loc.dtype, "device": self.loc.device}
        eps_W = _standard_normal(shape[:-1] + self.cov_factor.shape[-1:], **options)
        eps_D = _standard_normal(shape, **options)
        return self.loc + _batch_mv(W, eps_W) + D.sqrt() * eps_D

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        distance = _batch_lowrank_mahalanobis(
            *self._low_rank, value - self.loc, self._capacitance_tril
        )
        log_det = _batch_lowrank_logdet(*self._low_rank, self._capacitance_tril)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + log_det + distance)

    def entropy(self):
        log_det = _batch_lowrank_logdet(*self._low_rank, self._capacitance_tril)
        entropy = 0.5 * (self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + log_det)
        return entropy.expand(self._batch_shape)
