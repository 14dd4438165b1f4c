"""The Kumaraswamy distribution (source: torch.distributions.Kumaraswamy)."""

import math

import flambeau as fl
from flambeau.distributions import constraints
from flambeau.distributions.transformed_distribution import TransformedDistribution
from flambeau.distributions.transforms import AffineTransform, PowerTransform
from flambeau.distributions.uniform import Uniform
from flambeau.distributions.utils import broadcast_all, euler_constant

__all__ = ["Kumaraswamy"]


def _moment(a, b, n):
    """E[x^n] of Kumaraswamy(a, b)."""
    c = 1 + n / a
    return b * fl.exp(fl.lgamma(c) + fl.lgamma(b) - fl.lgamma(c + b))


class Kumaraswamy(TransformedDistribution):
    """Numbers between 0 and 1 of cdf 1 - (1 - x^concentration1)^concentration0: like a beta, with
    closed forms."""

    arg_constraints = {
        "concentration1": constraints.positive,
        "concentration0": constraints.positive,
    }
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1, concentration0, validate_args=None):
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        base = Uniform(
            fl.full_like(self.concentration0, 0),
            fl.full_like(self.concentration0, 1),
            validate_args=validate_args,
        )
        transforms = [
            PowerTransform(exponent=self.concentration0.reciprocal()),
            AffineTransform(loc=1.0, scale=-1.0),
            PowerTransform(exponent=self.concentration1.reciprocal()),
        ]
        super().__init__(base, transforms, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(Kumaraswamy, _instance)
        new.concentration1 = self.concentration1.expand(batch_shape)
        new.concentration0 = self.concentration0.expand(batch_shape)
        return super().expand(batch_shape, _instance=new)

    @property
    def mean(self):
        return _moment(self.concentration1, self.concentration0, 1)

    @property
    def mode(self):
        c1, c0 = self.concentration1, self.concentration0
        # the logarithm, so that no power of 0 is taken where there is no mode
        log_mode = c0.reciprocal() * (-c0).log1p() - (-c0 * c1).log1p()
        log_mode[(c0 < 1) | (c1 < 1)] = math.nan
        return log_mode.exp()

    @property
    def variance(self):
        return _moment(self.concentration1, self.concentration0, 2) - fl.pow(self.mean, 2)

    def entropy(self):
        c1, c0 = self.concentration1, self.concentration0
        harmonic = fl.digamma(c0 + 1) + euler_constant
        t1, t0 = 1 - c1.reciprocal(), 1 - c0.reciprocal()
        return t0 + t1 * harmonic - fl.log(c1) - fl.log(c0)
