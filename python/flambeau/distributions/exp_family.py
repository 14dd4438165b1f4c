"""Exponential families (source: torch.distributions.ExponentialFamily)."""

import flambeau as fl
from flambeau.distributions.distribution import Distribution

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """Densities exp(<t(x), theta> - F(theta) + k(x)) of natural parameters theta, log normaliser F
    and carrier measure k. Entropy and divergences follow from F's gradient (Nielsen and Nock,
    "Entropies and cross-entropies of exponential families", 2010)."""

    @property
    def _natural_params(self):
        """The natural parameters, a tuple of tensors."""
        raise NotImplementedError

    def _log_normalizer(self, *natural_params):
        raise NotImplementedError

    @property
    def _mean_carrier_measure(self):
        """The mean of k(x)."""
        raise NotImplementedError

    def entropy(self):
        """F(theta) - <theta, dF/dtheta> - E[k(x)]."""
        result = -self._mean_carrier_measure
        thetas = [p.detach().requires_grad_() for p in self._natural_params]
        normalizer = self._log_normalizer(*thetas)
        slopes = fl.autograd.grad(normalizer.sum(), thetas, create_graph=True)
        result += normalizer
        for theta, slope in zip(thetas, slopes):
            result -= (theta * slope).reshape(self._batch_shape + (-1,)).sum(-1)
        return result
