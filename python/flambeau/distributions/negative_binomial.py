"""The negative binomial distribution (source: torch.distributions.NegativeBinomial)."""

import flambeau as fl
from flambeau import _C
from flambeau.distributions import constraints
from flambeau.distributions._probs_or_logits import ProbsOrLogits
from flambeau.distributions.gamma import Gamma
from flambeau.distributions.utils import lazy_property
from flambeau.nn.functional import logsigmoid

__all__ = ["NegativeBinomial"]


class NegativeBinomial(ProbsOrLogits):
    """Successes, of probability probs = sigmoid(logits) each, before total_count failures: a
    Poisson whose rate is gamma distributed."""

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(self, total_count, probs=None, logits=None, validate_args=None):
        (count,) = self._take(probs, logits, total_count)
        self.total_count = count.type_as(self._param)
        super().__init__(self._param.size(), validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        return self._expanded(NegativeBinomial, batch_shape, _instance, "total_count")

    @property
    def mean(self):
        return self.total_count * fl.exp(self.logits)

    @property
    def mode(self):
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self):
        return self.mean / fl.sigmoid(-self.logits)

    @lazy_property
    def _gamma(self):
        return Gamma(
            concentration=self.total_count, rate=fl.exp(-self.logits), validate_args=False
        )

    def sample(self, sample_shape=_C.Size()):
        with fl.no_grad():
            return fl.poisson(self._gamma.sample(sample_shape=sample_shape))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        n = self.total_count
        unnormalized = n * logsigmoid(-self.logits) + value * logsigmoid(self.logits)
        normalize = -fl.lgamma(n + value) + fl.lgamma(1.0 + value) + fl.lgamma(n)
        normalize = normalize.masked_fill(n + value == 0.0, 0.0)  # inf - inf
        return unnormalized - normalize
