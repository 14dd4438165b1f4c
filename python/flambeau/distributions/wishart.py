"""The Wishart distribution (source: torch.distributions.Wishart)."""

import math
import warnings

import flambeau as fl
from flambeau import _C
from flambeau.distributions import constraints
from flambeau.distributions.chi2 import Chi2
from flambeau.distributions.exp_family import ExponentialFamily
from flambeau.distributions.multivariate_normal import _log_diagonal, _precision_to_scale_tril
from flambeau.distributions.utils import Number, lazy_property

__all__ = ["Wishart"]

_log_2 = math.log(2)


def _mvdigamma(x, p):
    """The derivative of mvlgamma."""
    if not x.gt((p - 1) / 2).all():
        raise AssertionError("Wrong domain for multivariate digamma function.")
    halves = fl.arange(p, dtype=x.dtype, device=x.device).div(2)
    return fl.digamma(x.unsqueeze(-1) - halves.expand(x.shape + (-1,))).sum(-1)


class Wishart(ExponentialFamily):
    """Sums of df products x x^T of normal vectors, whose covariance [..., p, p] is given as
    covariance_matrix, its inverse precision_matrix, or its lower factor scale_tril. ValueError
    where df is not greater than p - 1; LinAlgError where the matrix is not positive-definite.
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0

    @property
    def arg_constraints(self):
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self.event_shape[-1] - 1),
        }

    def __init__(
        self,
        df,
        covariance_matrix=None,
        precision_matrix=None,
        scale_tril=None,
        validate_args=None,
    ):
        given = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        given = [(name, value) for name, value in given.items() if value is not None]
        if len(given) != 1:
            raise AssertionError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be "
                "specified."
            )
        ((name, matrix),) = given
        if matrix.dim() < 2:
            raise ValueError(
                "scale_tril must be at least two-dimensional, with optional leading batch "
                "dimensions"
            )
        if isinstance(df, Number):
            batch_shape = matrix.shape[:-2]
            self.df = fl.tensor(df, dtype=matrix.dtype, device=matrix.device)
        else:
            batch_shape = fl.broadcast_shapes(matrix.shape[:-2], df.shape)
            self.df = df.expand(batch_shape)
        event_shape = matrix.shape[-2:]
        if self.df.le(event_shape[-1] - 1).any():
            raise ValueError(
                f"Value of df={df} expected to be greater than ndim - 1 = {event_shape[-1] - 1}."
            )
        setattr(self, name, matrix.expand(batch_shape + (-1, -1)))
        if self.df.lt(event_shape[-1]).any():
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for "
                "ndim - 1 < df < ndim.",
                stacklevel=2,
            )
        super().__init__(batch_shape, event_shape, validate_args=validate_args)
        if name == "covariance_matrix":
            matrix = fl.linalg.cholesky(matrix)
        elif name == "precision_matrix":
            matrix = _precision_to_scale_tril(matrix)
        self._unbroadcasted_scale_tril = matrix
        self._dist_chi2 = self._diagonal_chi2()

    def _diagonal_chi2(self):
        """Of the squares of the diagonal of a draw's factor: df, df - 1, ... degrees."""
        factor = self._unbroadcasted_scale_tril
        places = fl.arange(self._event_shape[-1], dtype=factor.dtype, device=factor.device)
        return Chi2(df=self.df.unsqueeze(-1) - places.expand(self._batch_shape + (-1,)))

    def expand(self, batch_shape, _instance=None):
        new = self._expanded(
            Wishart, batch_shape, _instance,
            "covariance_matrix", "scale_tril", "precision_matrix",
        )  # fmt: skip
        new.df = self.df.expand(new._batch_shape)
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril.expand(
            new._batch_shape + self._event_shape
        )
        new._dist_chi2 = new._diagonal_chi2()
        return new

    def _whole(self, matrix):
        return matrix.expand(self._batch_shape + self._event_shape)

    @lazy_property
    def scale_tril(self):
        return self._whole(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self):
        factor = self._unbroadcasted_scale_tril
        return self._whole(factor @ factor.transpose(-2, -1))

    @lazy_property
    def precision_matrix(self):
        factor = self._unbroadcasted_scale_tril
        identity = fl.eye(self._event_shape[-1], device=factor.device, dtype=factor.dtype)
        return self._whole(fl.cholesky_solve(identity, factor))

    @property
    def mean(self):
        return self.df.view(self._batch_shape + (1, 1)) * self.covariance_matrix

    @property
    def mode(self):
        factor = self.df - self.covariance_matrix.shape[-1] - 1
        factor[factor <= 0] = math.nan
        return factor.view(self._batch_shape + (1, 1)) * self.covariance_matrix

    @property
    def variance(self):
        V = self.covariance_matrix
        diagonal = V.diagonal(dim1=-2, dim2=-1)
        products = fl.einsum("...i,...j->...ij", diagonal, diagonal)
        return self.df.view(self._batch_shape + (1, 1)) * (V.pow(2) + products)

    def _bartlett_sampling(self, sample_shape=_C.Size()):
        """A draw by its factor: roots of chi-squared draws on the diagonal, normals below
        (Bartlett, "On the theory of statistical regression", 1933)."""
        p = self._event_shape[-1]
        diagonal = self._dist_chi2.rsample(sample_shape).sqrt()
        noise = diagonal.clamp(min=fl.finfo(diagonal.dtype).eps).diag_embed(dim1=-2, dim2=-1)
        i, j = fl.tril_indices(p, p, offset=-1)
        noise[..., i, j] = fl.randn(
            _C.Size(sample_shape) + self._batch_shape + (p * (p - 1) // 2,),
            dtype=noise.dtype,
            device=noise.device,
        )
        factor = self._unbroadcasted_scale_tril @ noise
        return factor @ factor.transpose(-2, -1)

    def _any_of_batch(self, flags):
        """[sample_shape..., batch...] -> [sample_shape...]: true where one of the batch is."""
        if not self._batch_shape:
            return flags
        return flags.amax([-(d + 1) for d in range(len(self._batch_shape))])

    def rsample(self, sample_shape=_C.Size(), max_try_correction=None):
        """max_try_correction: how often draws are replaced that are singular by rounding (10).

        As in PyTorch, whose numbers these are, the first look finds the draws that are positive
        definite, and warns of and replaces those.
        """
        tries = 10 if max_try_correction is None else max_try_correction
        sample = self._bartlett_sampling(_C.Size(sample_shape))
        again = self._any_of_batch(self.support.check(sample))
        if again.any():
            warnings.warn("Singular sample detected.", stacklevel=2)
            for _ in range(tries):
                new = self._bartlett_sampling(again[again].shape)
                sample[again] = new
                still = self._any_of_batch(~self.support.check(new))
                again[again.clone()] = still
                if not again.any():
                    break
        return sample

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        nu, p, factor = self.df, self._event_shape[-1], self._unbroadcasted_scale_tril
        solved = fl.cholesky_solve(value, factor)
        return (
            -nu * (p * _log_2 / 2 + _log_diagonal(factor))
            - fl.mvlgamma(nu / 2, p=p)
            + (nu - p - 1) / 2 * fl.linalg.slogdet(value).logabsdet
            - solved.diagonal(dim1=-2, dim2=-1).sum(dim=-1) / 2
        )

    def entropy(self):
        nu, p = self.df, self._event_shape[-1]
        return (
            (p + 1) * (p * _log_2 / 2 + _log_diagonal(self._unbroadcasted_scale_tril))
            + fl.mvlgamma(nu / 2, p=p)
            - (nu - p - 1) / 2 * _mvdigamma(nu / 2, p=p)
            + nu * p / 2
        )

    @property
    def _natural_params(self):
        nu, p = self.df, self._event_shape[-1]
        return -self.precision_matrix / 2, (nu - p - 1) / 2

    def _log_normalizer(self, x, y):
        p = self._event_shape[-1]
        half = y + (p + 1) / 2
        log_det = fl.linalg.slogdet(-2 * x).logabsdet
        return half * (-log_det + _log_2 * p) + fl.mvlgamma(half, p=p)
