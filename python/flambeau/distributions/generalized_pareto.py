"""The generalised Pareto distribution (source: torch.distributions.GeneralizedPareto)."""

import math

import flambeau as fl
from flambeau import _C
from flambeau.distributions import constraints
from flambeau.distributions.distribution import Distribution
from flambeau.distributions.utils import broadcast_all

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """What exceeds a threshold loc: survival (1 + concentration z)^(-1 / concentration) of
    z = (x - loc) / scale, exp(-z) at concentration 0, with an upper end at negative ones."""

    arg_constraints = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True

    def __init__(self, loc, scale, concentration, validate_args=None):
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.size(), validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        return self._expanded(
            GeneralizedPareto, batch_shape, _instance, "loc", "scale", "concentration"
        )

    def rsample(self, sample_shape=_C.Size()):
        shape = self._extended_shape(sample_shape)
        return self.icdf(fl.rand(shape, dtype=self.loc.dtype, device=self.loc.device))

    def _cases(self):
        """Where concentration is 0, and concentration with 1 there, by which may be divided."""
        is_zero = fl.isclose(self.concentration, fl.zeros_like(self.concentration))
        return is_zero, fl.where(is_zero, fl.ones_like(self.concentration), self.concentration)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        z = self._z(value)
        is_zero, c = self._cases()
        y = 1 / c + fl.ones_like(z)
        at_others = fl.where(y == 0, y, y * fl.log1p(c * z))
        return -self.scale.log() - fl.where(is_zero, z, at_others)

    def log_survival_function(self, value):
        """log(1 - cdf(value))."""
        if self._validate_args:
            self._validate_sample(value)
        z = self._z(value)
        is_zero, c = self._cases()
        return fl.where(is_zero, -z, -fl.log1p(c * z) / c)

    def log_cdf(self, value):
        return fl.log1p(-fl.exp(self.log_survival_function(value)))

    def cdf(self, value):
        return fl.exp(self.log_cdf(value))

    def icdf(self, value):
        is_zero, c = self._cases()
        log_survival = fl.log1p(-value)
        at_others = self.loc + self.scale / c * fl.expm1(-c * log_survival)
        return fl.where(is_zero, self.loc - self.scale * log_survival, at_others)

    def _z(self, x):
        return (x - self.loc) / self.scale

    @property
    def mean(self):
        exists = self.concentration < 1
        c = fl.where(exists, self.concentration, 0.5)
        return fl.where(exists, self.loc + self.scale / (1 - c), math.nan)

    @property
    def variance(self):
        exists = self.concentration < 0.5
        c = fl.where(exists, self.concentration, 0.25)
        return fl.where(exists, self.scale**2 / ((1 - c) ** 2 * (1 - 2 * c)), math.nan)

    def entropy(self):
        return fl.broadcast_to(fl.log(self.scale) + self.concentration + 1, self._batch_shape)

    @property
    def mode(self):
        return self.loc

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        upper = self.loc - self.scale / self.concentration
        return constraints.interval(
            self.loc, fl.where(self.concentration < 0, upper, math.inf)
        )
