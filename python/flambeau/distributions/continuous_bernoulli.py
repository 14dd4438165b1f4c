"""The continuous Bernoulli distribution (source: torch.distributions.ContinuousBernoulli)."""

import math

import flambeau as fl
from flambeau import _C
from flambeau.distributions import constraints
from flambeau.distributions._probs_or_logits import ProbsOrLogits
from flambeau.distributions.exp_family import ExponentialFamily
from flambeau.distributions.utils import (
    broadcast_all,
    clamp_probs,
    lazy_property,
    logits_to_probs,
)
from flambeau.nn.functional import binary_cross_entropy_with_logits

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(ProbsOrLogits, ExponentialFamily):
    """Numbers between 0 and 1 of density ~ probs^x (1 - probs)^(1 - x) (Loaiza-Ganem and
    Cunningham, "The continuous Bernoulli: fixing a pervasive error in variational autoencoders", 2019).

    Closed forms are 0 / 0 at probs 1/2; between lims they are replaced by their Taylor series.
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    _mean_carrier_measure = 0
    has_rsample = True

    def __init__(self, probs=None, logits=None, lims=(0.499, 0.501), validate_args=None):
        self._take(probs, logits)
        if probs is not None:
            if validate_args is not None:
                if not self.arg_constraints["probs"].check(self.probs).all():
                    raise ValueError("The parameter probs has invalid values")
            self._param = self.probs = clamp_probs(self.probs)
        self._lims = lims
        super().__init__(self._param.size(), validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._expanded(ContinuousBernoulli, batch_shape, _instance)
        new._lims = self._lims
        return new

    @lazy_property
    def probs(self):
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    def _is_stable(self):
        """Where the closed forms hold."""
        low, high = self._lims
        return (self.probs <= low) | (self.probs > high)

    def _cut_probs(self):
        """probs, with the lower limit in the place of those that are too near 1/2."""
        limit = self._lims[0] * fl.ones_like(self.probs)
        return fl.where(self._is_stable(), self.probs, limit)

    def _cont_bern_log_norm(self):
        """The logarithm of the density's normalising constant."""
        cut = self._cut_probs()
        below = fl.where(cut <= 0.5, cut, fl.zeros_like(cut))
        above = fl.where(cut >= 0.5, cut, fl.ones_like(cut))
        log_norm = fl.log(fl.abs(fl.log1p(-cut) - fl.log(cut))) - fl.where(
            cut <= 0.5, fl.log1p(-2.0 * below), fl.log(2.0 * above - 1.0)
        )
        x = fl.pow(self.probs - 0.5, 2)
        taylor = math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x
        return fl.where(self._is_stable(), log_norm, taylor)

    @property
    def mean(self):
        cut = self._cut_probs()
        mean = cut / (2.0 * cut - 1.0) + 1.0 / (fl.log1p(-cut) - fl.log(cut))
        x = self.probs - 0.5
        taylor = 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * fl.pow(x, 2)) * x
        return fl.where(self._is_stable(), mean, taylor)

    @property
    def stddev(self):
        return fl.sqrt(self.variance)

    @property
    def variance(self):
        cut = self._cut_probs()
        variance = cut * (cut - 1.0) / fl.pow(1.0 - 2.0 * cut, 2) + 1.0 / fl.pow(
            fl.log1p(-cut) - fl.log(cut), 2
        )
        x = fl.pow(self.probs - 0.5, 2)
        taylor = 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x
        return fl.where(self._is_stable(), variance, taylor)

    def sample(self, sample_shape=_C.Size()):
        with fl.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape=_C.Size()):
        shape = self._extended_shape(sample_shape)
        return self.icdf(fl.rand(shape, dtype=self.probs.dtype, device=self.probs.device))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        likelihood = -binary_cross_entropy_with_logits(logits, value, reduction="none")
        return likelihood + self._cont_bern_log_norm()

    def cdf(self, value):
        if self._validate_args:
            self._validate_sample(value)
        cut = self._cut_probs()
        cdf = (fl.pow(cut, value) * fl.pow(1.0 - cut, 1.0 - value) + cut - 1.0) / (2.0 * cut - 1.0)
        cdf = fl.where(self._is_stable(), cdf, value)
        cdf = fl.where(value >= 1.0, fl.ones_like(value), cdf)
        return fl.where(value <= 0.0, fl.zeros_like(value), cdf)

    def icdf(self, value):
        cut = self._cut_probs()
        x = (fl.log1p(-cut + value * (2.0 * cut - 1.0)) - fl.log1p(-cut)) / (
            fl.log(cut) - fl.log1p(-cut)
        )
        return fl.where(self._is_stable(), x, value)

    def entropy(self):
        log_probs0, log_probs1 = fl.log1p(-self.probs), fl.log(self.probs)
        return self.mean * (log_probs0 - log_probs1) - self._cont_bern_log_norm() - log_probs0

    @property
    def _natural_params(self):
        return (self.logits,)

    def _log_normalizer(self, x):
        low, high = self._lims[0] - 0.5, self._lims[1] - 0.5
        is_stable = (x <= low) | (x > high)
        cut = fl.where(is_stable, x, low * fl.ones_like(x))
        log_norm = fl.log(fl.abs(fl.special.expm1(cut))) - fl.log(fl.abs(cut))
        taylor = 0.5 * x + fl.pow(x, 2) / 24.0 - fl.pow(x, 4) / 2880.0
        return fl.where(is_stable, log_norm, taylor)
