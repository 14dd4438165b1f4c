"""The von Mises distribution (source: torch.distributions.VonMises)."""

import math
from functools import reduce

import flambeau as fl
from flambeau import _C
from flambeau.distributions import constraints
from flambeau.distributions.distribution import Distribution
from flambeau.distributions.utils import broadcast_all, lazy_property

__all__ = ["VonMises"]

# The modified Bessel functions of order 0 and 1 below 3.75, in (x / 3.75)^2, and beyond, in
# 3.75 / x (Abramowitz and Stegun, "Handbook of mathematical functions", 9.8.1 to 9.8.4).
_SMALL = (
    (1.0, 3.5156229, 3.0899424, 1.2067492, 0.2659732, 0.0360768, 0.0045813),
    (0.5, 0.87890594, 0.51498869, 0.15084934, 0.02658733, 0.00301532, 0.00032411),
)
_LARGE = (
    (0.39894228, 0.01328592, 0.00225319, -0.00157565, 0.00916281, -0.02057706, 0.02635537,
     -0.01647633, 0.00392377),
    (0.39894228, -0.03988024, -0.00362018, 0.00163801, -0.01031555, 0.02282967, -0.02895312,
     0.01787654, -0.00420059),
)  # fmt: skip


def _polynomial(y, coefficients):
    return reduce(lambda sum, c: c + y * sum, reversed(coefficients))


def _log_modified_bessel_fn(x, order=0):
    """log I_order(x) for x > 0, order 0 or 1."""
    y = x / 3.75
    small = _polynomial(y * y, _SMALL[order])
    small = (x.abs() * small if order == 1 else small).log()
    large = x - 0.5 * x.log() + _polynomial(3.75 / x, _LARGE[order]).log()
    return fl.where(x < 3.75, small, large)


def _draw_angles(loc, concentration, proposal_r, shape):
    """By rejection from a wrapped Cauchy (Best and Fisher, "Efficient simulation of the von Mises
    distribution", 1979), all elements in each round, until every one has been accepted once."""
    x = fl.empty(shape, dtype=loc.dtype, device=loc.device)
    done = fl.zeros(shape, dtype=fl.bool, device=loc.device)
    while not done.all():
        u1, u2, u3 = fl.rand((3,) + shape, dtype=loc.dtype, device=loc.device).unbind()
        z = fl.cos(math.pi * u1)
        f = (1 + proposal_r * z) / (proposal_r + z)
        c = concentration * (proposal_r - f)
        accept = ((c * (2 - c) - u2) > 0) | ((c / u2).log() + 1 - c >= 0)
        x = fl.where(accept, (u3 - 0.5).sign() * f.acos(), x)
        done = done | accept
    return (x + math.pi + loc) % (2 * math.pi) - math.pi


class VonMises(Distribution):
    """Angles between -pi and pi of density ~ exp(concentration cos(x - loc)). Draws are made in
    double."""

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    has_rsample = False

    def __init__(self, loc, concentration, validate_args=None):
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        return type(self)(
            self.loc.expand(batch_shape),
            self.concentration.expand(batch_shape),
            validate_args=self.__dict__.get("_validate_args"),
        )

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        log_prob = self.concentration * fl.cos(value - self.loc)
        return (
            log_prob
            - math.log(2 * math.pi)
            - _log_modified_bessel_fn(self.concentration, order=0)
        )

    @lazy_property
    def _proposal_r(self):
        kappa = self.concentration.to(fl.double)
        tau = 1 + (1 + 4 * kappa**2).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * kappa)
        near_zero = 1 / kappa + kappa  # the Taylor series, where tau - sqrt(2 tau) cancels
        return fl.where(kappa < 1e-5, near_zero, (1 + rho**2) / (2 * rho))

    def sample(self, sample_shape=_C.Size()):
        with fl.no_grad():
            angles = _draw_angles(
                self.loc.to(fl.double),
                self.concentration.to(fl.double),
                self._proposal_r,
                self._extended_shape(sample_shape),
            )
            return angles.to(self.loc.dtype)

    @property
    def mean(self):
        return self.loc

    @property
    def mode(self):
        return self.loc

    @lazy_property
    def variance(self):
        """The circular variance, 1 - I_1 / I_0."""
        log_i1 = _log_modified_bessel_fn(self.concentration, order=1)
        log_i0 = _log_modified_bessel_fn(self.concentration, order=0)
        return 1 - (log_i1 - log_i0).exp()
