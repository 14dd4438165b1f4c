"""Operators on lists of tensors (source: torch._foreach_add and its kin): each is the operator, on one
tensor of every list after the other."""

from flambeau import _C

# Operators of one list; the suffixed name writes it.
_UNARY = (
    "abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 neg "
    "reciprocal round rsqrt sigmoid sign sin sinh sqrt tan tanh trunc"
).split()
_BINARY = {"add": "add", "sub": "sub", "mul": "mul", "div": "div", "pow": "pow"}
_EXTREME = {"maximum": "maximum", "minimum": "minimum", "clamp_max": "minimum",
            "clamp_min": "maximum"}  # fmt: skip


def _rows(tensors, *others):
    """The tensors with their fellows: a list is shared out, anything else is every one's."""
    tensors = list(tensors)
    if not tensors:
        raise RuntimeError("Tensor list must have at least one tensor.")
    columns = [tensors]
    for other in others:
        if isinstance(other, (list, tuple)):
            if len(other) != len(tensors):
                raise RuntimeError(
                    "Tensor lists must have the same number of tensors, got "
                    f"{len(tensors)} and {len(other)}"
                )
            columns.append(other)
        else:
            columns.append([other] * len(tensors))
    return zip(*columns)


def _pair(name, function):
    """_foreach_NAME and _foreach_NAME_ of a function of a tensor and more."""

    def apply(self, *others, **options):
        return tuple(function(*row, **options) for row in _rows(self, *others))

    def apply_(self, *others, **options):
        for tensor, *rest in _rows(self, *others):
            tensor.copy_(function(tensor, *rest, **options))

    apply.__name__, apply_.__name__ = f"_foreach_{name}", f"_foreach_{name}_"
    globals()[apply.__name__], globals()[apply_.__name__] = apply, apply_


for _name in _UNARY:
    if hasattr(_C, _name):
        _pair(_name, getattr(_C, _name))
for _name, _operator in _BINARY.items():
    _pair(_name, getattr(_C, _operator))


def _extreme(operator):
    def function(tensor, other):
        if not isinstance(other, _C.Tensor):
            other = _C.scalar_tensor(other, dtype=tensor.dtype)
        return operator(tensor, other)

    return function


for _name, _operator in _EXTREME.items():
    _pair(_name, _extreme(getattr(_C, _operator)))


def _scaled(operator):
    def function(tensor, first, second, value=1):
        return operator(tensor, first, second, value=value)

    return function


for _name in ("addcmul", "addcdiv"):
    _pair(_name, _scaled(getattr(_C, _name)))
_pair("lerp", _C.lerp)


def _foreach_zero_(self):
    """Fills each with zeros."""
    for tensor in self:
        tensor.zero_()


def _foreach_copy_(self, src, non_blocking=False):
    """Copies each from its fellow."""
    for tensor, source in _rows(self, src):
        tensor.copy_(source)


def _foreach_norm(self, ord=2, dtype=None):
    """The norm of each."""
    return tuple(_C.norm(tensor, ord) for tensor in self)


def _foreach_max(self):
    """The greatest element of each."""
    return tuple(_C.max(tensor) for (tensor,) in _rows(self))


def _foreach_clone(self, *, memory_format=None):
    """A copy of each."""
    return tuple(_C.clone(tensor, memory_format=memory_format) for (tensor,) in _rows(self))


def _foreach_powsum(self, ord=2, dtype=None):
    """The sum of the powers of each one's absolute values."""
    return tuple(_C.sum(_C.pow(_C.abs(tensor), ord), dtype=dtype) for (tensor,) in _rows(self))


_pair("mm", _C.mm)


def _amp_foreach_non_finite_check_and_unscale_(self, found_inf, inv_scale):
    """Multiplies each by inv_scale, and makes found_inf 1 where an element is not finite."""
    if inv_scale.numel() != 1:
        raise RuntimeError("inv_scale must be a 1-element tensor.")
    if found_inf.numel() != 1:
        raise RuntimeError("found_inf must be a 1-element tensor.")
    for tensor in self:
        if not _C.all(_C.isfinite(tensor)):
            found_inf.fill_(1)
        tensor.mul_(inv_scale)


def _amp_update_scale_(
    self, growth_tracker, found_inf, scale_growth_factor, scale_backoff_factor, growth_interval
):
    """The scale after a step: shrunk where found_inf is set, grown after growth_interval steps without."""
    if found_inf.item():
        self.mul_(scale_backoff_factor)
        growth_tracker.zero_()
    elif growth_tracker.item() + 1 == growth_interval:
        grown = self * scale_growth_factor
        if _C.isfinite(grown):
            self.copy_(grown)
        growth_tracker.zero_()
    else:
        growth_tracker.add_(1)
    return self
