"""The base of all distributions (source: torch.distributions.Distribution)."""

import warnings

import flambeau as fl
from flambeau import _C
from flambeau.distributions import constraints
from flambeau.distributions.utils import lazy_property

__all__ = ["Distribution"]


class Distribution:
    """A batch of distributions: draws have the shape sample_shape + batch_shape + event_shape, and
    log_prob of such a value has sample_shape + batch_shape.

    Arguments and values are checked against arg_constraints and support unless validate_args is
    False (by default they are, except under `python -O`): ValueError.
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__

    @staticmethod
    def set_default_validate_args(value):
        """Whether distributions are checked that do not say it themselves."""
        if value not in (True, False):
            raise ValueError
        Distribution._validate_args = value

    def __init__(self, batch_shape=_C.Size(), event_shape=_C.Size(), validate_args=None):
        self._batch_shape = batch_shape
        self._event_shape = event_shape
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()

    def _check_parameters(self):
        try:
            arg_constraints = self.arg_constraints
        except NotImplementedError:
            arg_constraints = {}
            warnings.warn(
                f"{self.__class__} does not define `arg_constraints`. "
                "Please set `arg_constraints = {}` or initialize the distribution "
                "with `validate_args=False` to turn off validation.",
                stacklevel=4,
            )
        for name, constraint in arg_constraints.items():
            if constraints.is_dependent(constraint):
                continue
            if name not in self.__dict__ and isinstance(
                getattr(type(self), name, None), lazy_property
            ):
                continue  # not computed yet
            value = getattr(self, name)
            if not constraint.check(value).all():
                raise ValueError(
                    f"Expected parameter {name} "
                    f"({type(value).__name__} of shape {tuple(value.shape)}) "
                    f"of distribution {self!r} "
                    f"to satisfy the constraint {constraint!r}, "
                    f"but found invalid values:\n{value}"
                )

    def expand(self, batch_shape, _instance=None):
        """The same distributions with a larger batch shape; no memory is used for parameters.
        _instance: a new instance that a subclass has begun to fill."""
        raise NotImplementedError

    def _expanded(self, cls, batch_shape, _instance, *names):
        """What expand returns, where the attributes `names` (those that are there) begin with the
        batch dims. cls: the class whose expand calls."""
        new = self._get_checked_instance(cls, _instance)
        batch_shape = _C.Size(batch_shape)
        dims = len(self._batch_shape)
        for name in names:
            value = self.__dict__.get(name)
            if value is not None:
                setattr(new, name, value.expand(batch_shape + value.shape[dims:]))
        return self._shape_expanded(new, batch_shape)

    def _shape_expanded(self, new, batch_shape):
        """Gives a new instance its shapes; it is not checked again."""
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def _get_checked_instance(self, cls, _instance=None):
        if _instance is not None:
            return _instance
        if type(self).__init__ != cls.__init__:
            raise NotImplementedError(
                f"Subclass {self.__class__.__name__} of {cls.__name__} that defines a custom "
                "__init__ method must also define a custom .expand() method."
            )
        return self.__new__(type(self))

    @property
    def batch_shape(self):
        """The shape over which parameters are batched."""
        return self._batch_shape

    @property
    def event_shape(self):
        """The shape of a single draw."""
        return self._event_shape

    @property
    def arg_constraints(self):
        """The constraint of each parameter, by name."""
        raise NotImplementedError

    @property
    def support(self):
        """The constraint that draws satisfy."""
        raise NotImplementedError

    @property
    def mean(self):
        raise NotImplementedError

    @property
    def mode(self):
        raise NotImplementedError(f"{self.__class__} does not implement mode")

    @property
    def variance(self):
        raise NotImplementedError

    @property
    def stddev(self):
        return self.variance.sqrt()

    def sample(self, sample_shape: "list[int] | tuple[int, ...]" = _C.Size()):
        """A draw, or a sample_shape of draws, without a graph."""
        with fl.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: "list[int] | tuple[int, ...]" = _C.Size()):
        """A draw as a differentiable function of the parameters, where has_rsample."""
        raise NotImplementedError

    def sample_n(self, n):
        """n draws: sample((n,)), which replaces it."""
        warnings.warn(
            "`sample_n(n)` will be deprecated. Use `sample((n,))` instead.",
            FutureWarning,
            stacklevel=2,
        )
        return self.sample(_C.Size((n,)))

    def log_prob(self, value):
        """The logarithm of the density or of the probability at value."""
        raise NotImplementedError

    def cdf(self, value):
        raise NotImplementedError

    def icdf(self, value):
        """The inverse of cdf."""
        raise NotImplementedError

    def enumerate_support(self, expand=True):
        """All values of a discrete distribution, along a new first dim: [cardinality] + batch_shape
        + event_shape, with 1s for the batch dims where expand is False."""
        raise NotImplementedError

    def entropy(self):
        raise NotImplementedError

    def perplexity(self):
        return fl.exp(self.entropy())

    def _extended_shape(self, sample_shape=_C.Size()):
        """The shape of what sample(sample_shape) returns."""
        return _C.Size(sample_shape) + self._batch_shape + self._event_shape

    def _filled(self, value, like):
        """A constant for each distribution of the batch, of like's dtype: a moment that does not
        depend on the parameters."""
        return like.new_full(self._extended_shape(), value)

    def _validate_sample(self, value):
        """ValueError unless value has a fitting shape and lies within the support."""
        if not isinstance(value, _C.Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        shape, expected = value.size(), self._batch_shape + self._event_shape
        if shape[len(shape) - len(self._event_shape) :] != self._event_shape:
            raise ValueError(
                "The right-most size of value must match event_shape: "
                f"{shape} vs {self._event_shape}."
            )
        for i, j in zip(reversed(shape), reversed(expected)):
            if i != 1 and j != 1 and i != j:
                raise ValueError(
                    "Value is not broadcastable with batch_shape+event_shape: "
                    f"{shape} vs {expected}."
                )
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{self.__class__} does not define `support` to enable "
                "sample validation. Please initialize the distribution with "
                "`validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        if not support.check(value).all():
            raise ValueError(
                "Expected value argument "
                f"({type(value).__name__} of shape {tuple(value.shape)}) "
                f"to be within the support ({support!r}) "
                f"of the distribution {self!r}, "
                f"but found invalid values:\n{value}"
            )

    def __repr__(self):
        given = [(name, self.__dict__[name]) for name in self.arg_constraints
                 if name in self.__dict__]
        texts = [f"{name}: {v if v.numel() == 1 else v.size()}" for name, v in given]
        return f"{self.__class__.__name__}({', '.join(texts)})"
