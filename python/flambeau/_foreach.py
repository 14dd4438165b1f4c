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
