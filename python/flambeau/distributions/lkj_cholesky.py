"""Factors of random correlation matrices (source: torch.distributions.LKJCholesky)."""

import math

import flambeau as fl
from flambeau import _C
from flambeau.distributions import constraints
from flambeau.distributions.beta import Beta
from flambeau.distributions.distribution import Distribution
from flambeau.distributions.utils import broadcast_all

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """Lower factors L of dim x dim correlation matrices M = L L^T with density ~
    det(M)^(concentration - 1): 1 is uniform over correlation matrices. Draws grow row by row
    (the onion method of Lewandowski, Kurowicka and Joe, "Generating random correlation matrices
    based on vines and extended onion method", 2009, 3.2). ValueError for dim < 2.
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim, concentration=1.0, validate_args=None):
        if dim < 2:
            raise ValueError(
                f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}."
            )
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        marginal = self.concentration + 0.5 * (dim - 2)
        offset = fl.arange(
            dim - 1, dtype=self.concentration.dtype, device=self.concentration.device
        )
        offset = fl.cat([offset.new_zeros((1,)), offset])
        # the squared length of each row's part below the diagonal
        self._beta = Beta(offset + 0.5, marginal.unsqueeze(-1) - 0.5 * offset)
        super().__init__(self.concentration.size(), _C.Size((dim, dim)), validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(LKJCholesky, _instance)
        batch_shape = _C.Size(batch_shape)
        new.dim = self.dim
        new.concentration = self.concentration.expand(batch_shape)
        new._beta = self._beta.expand(batch_shape + (self.dim,))
        return self._shape_expanded(new, batch_shape)

    def sample(self, sample_shape=_C.Size()):
        y = self._beta.sample(sample_shape).unsqueeze(-1)
        shape = self._extended_shape(sample_shape)
        direction = fl.randn(shape, dtype=y.dtype, device=y.device).tril(-1)
        direction = direction / direction.norm(dim=-1, keepdim=True)
        direction[..., 0, :].fill_(0.0)  # was 0 / 0
        w = fl.sqrt(y) * direction
        tiny = fl.finfo(w.dtype).tiny
        diagonal = fl.clamp(1 - fl.sum(w**2, dim=-1), min=tiny).sqrt()
        return w + fl.diag_embed(diagonal)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        diagonal = value.diagonal(dim1=-1, dim2=-2)[..., 1:]
        order = fl.arange(2, self.dim + 1, device=self.concentration.device)
        order = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim - order
        unnormalized = fl.sum(order * diagonal.log(), dim=-1)
        # the constant of the paper's page 1999
        rest = self.dim - 1
        alpha = self.concentration + 0.5 * rest
        numerator = fl.mvlgamma(alpha - 0.5, rest)
        denominator = fl.lgamma(alpha) * rest
        constant = 0.5 * rest * math.log(math.pi)
        return unnormalized - (constant + numerator - denominator)
