"""Distributions that are given probabilities or log-odds, and compute the other when asked."""

from flambeau.distributions.distribution import Distribution
from flambeau.distributions.utils import (
    broadcast_all,
    lazy_property,
    logits_to_probs,
    probs_to_logits,
)


def require_one(probs, logits):
    """ValueError unless exactly one is given."""
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")


class ProbsOrLogits(Distribution):
    """_param is what was given. _is_binary: logits are log-odds, not logarithms along the last
    dim."""

    _is_binary = True

    def _take(self, probs, logits, *others):
        """Keeps probs or logits, broadcast with other parameters, which are returned. ValueError
        unless exactly one is given."""
        require_one(probs, logits)
        *others, self._param = broadcast_all(*others, logits if probs is None else probs)
        setattr(self, "logits" if probs is None else "probs", self._param)
        return others

    def _expanded(self, cls, batch_shape, _instance, *names):
        new = super()._expanded(cls, batch_shape, _instance, "probs", "logits", *names)
        new._param = new.logits if "logits" in self.__dict__ else new.probs
        return new

    def _new(self, *args, **kwargs):
        return self._param.new(*args, **kwargs)

    @lazy_property
    def logits(self):
        return probs_to_logits(self.probs, is_binary=self._is_binary)

    @lazy_property
    def probs(self):
        return logits_to_probs(self.logits, is_binary=self._is_binary)

    @property
    def param_shape(self):
        return self._param.size()


class OverCategorical(Distribution):
    """Distributions of vectors that are built on a Categorical, _categorical."""

    def _new(self, *args, **kwargs):
        return self._categorical._new(*args, **kwargs)

    @property
    def _param(self):
        return self._categorical._param

    @property
    def probs(self):
        return self._categorical.probs

    @property
    def logits(self):
        return self._categorical.logits

    @property
    def param_shape(self):
        return self._categorical.param_shape
