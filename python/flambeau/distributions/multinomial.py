"""The multinomial distribution (source: torch.distributions.Multinomial)."""

import math

import flambeau as fl
from flambeau import _C
from flambeau.distributions import constraints
from flambeau.distributions._probs_or_logits import OverCategorical
from flambeau.distributions.binomial import Binomial
from flambeau.distributions.categorical import Categorical
from flambeau.distributions.utils import broadcast_all

__all__ = ["Multinomial"]


class Multinomial(OverCategorical):
    """How often each index is drawn in total_count draws of a Categorical."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs=probs, logits=logits)
        self._binomial = Binomial(total_count=total_count, probs=self.probs)
        shape = self._categorical.param_shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(Multinomial, _instance)
        batch_shape = _C.Size(batch_shape)
        new.total_count = self.total_count
        new._categorical = self._categorical.expand(batch_shape)
        new._binomial = self._binomial.expand(batch_shape + self.event_shape)
        return self._shape_expanded(new, batch_shape)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self):
        return constraints.multinomial(self.total_count)

    @property
    def mean(self):
        return self.probs * self.total_count

    @property
    def variance(self):
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape=_C.Size()):
        sample_shape = _C.Size(sample_shape)
        drawn = self._categorical.sample(_C.Size((self.total_count,)) + sample_shape)
        drawn = drawn.permute([*range(1, drawn.dim()), 0])  # [..., total_count]
        counts = drawn.new_zeros(self._extended_shape(sample_shape))
        counts.scatter_add_(-1, drawn, fl.ones_like(drawn))
        return counts.type_as(self.probs)

    def entropy(self):
        n = fl.tensor(self.total_count)
        of_draws = n * self._categorical.entropy() - fl.lgamma(n + 1)
        counts = self._binomial.enumerate_support(expand=False)[1:]
        probs = fl.exp(self._binomial.log_prob(counts))
        of_orders = (probs * fl.lgamma(counts + 1)).sum([0, -1])
        return of_draws + of_orders

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        logits = logits.clone(memory_format=fl.contiguous_format)
        log_factorial_n = fl.lgamma(value.sum(-1) + 1)
        log_factorials = fl.lgamma(value + 1).sum(-1)
        logits[(value == 0) & (logits == -math.inf)] = 0  # 0 * -inf is NaN
        return log_factorial_n - log_factorials + (logits * value).sum(-1)
