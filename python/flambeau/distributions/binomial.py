"""The binomial distribution (source: torch.distributions.Binomial)."""

import flambeau as fl
from flambeau import _C
from flambeau.distributions import constraints
from flambeau.distributions._probs_or_logits import ProbsOrLogits

__all__ = ["Binomial"]


def _positive_part(x):
    """max(x, 0), with a gradient of 1/2 at 0."""
    return (x.clamp(min=0) + x - x.clamp(max=0)) / 2


class Binomial(ProbsOrLogits):
    """Successes in total_count trials of probability probs = sigmoid(logits) each."""

    arg_constraints = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True

    def __init__(self, total_count: object = 1, probs=None, logits=None, validate_args=None):
        (count,) = self._take(probs, logits, total_count)
        self.total_count = count.type_as(self._param)
        super().__init__(self._param.size(), validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        return self._expanded(Binomial, batch_shape, _instance, "total_count")

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self):
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self):
        return self.total_count * self.probs

    @property
    def mode(self):
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    @property
    def variance(self):
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape=_C.Size()):
        shape = self._extended_shape(sample_shape)
        with fl.no_grad():
            return fl.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        n, logits = self.total_count, self.logits
        log_factorial_n = fl.lgamma(n + 1)
        log_factorial_k = fl.lgamma(value + 1)
        log_factorial_rest = fl.lgamma(n - value + 1)
        # n log(1 + e^logits), without overflow
        normalize = (
            n * _positive_part(logits)
            + n * fl.log1p(fl.exp(-fl.abs(logits)))
            - log_factorial_n
        )
        return value * logits - log_factorial_k - log_factorial_rest - normalize

    def _one_count(self, what):
        count = int(self.total_count.max())
        if not self.total_count.min() == count:
            raise NotImplementedError(f"Inhomogeneous total count not supported by `{what}`.")
        return count

    def entropy(self):
        self._one_count("entropy")
        log_prob = self.log_prob(self.enumerate_support(False))
        return -(fl.exp(log_prob) * log_prob).sum(0)

    def enumerate_support(self, expand=True):
        count = self._one_count("enumerate_support")
        values = fl.arange(1 + count, dtype=self._param.dtype, device=self._param.device)
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1,) + self._batch_shape) if expand else values
