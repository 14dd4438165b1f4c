"""Comparing and making tensors in tests (source: torch.testing)."""

from collections.abc import Mapping, Sequence

from flambeau import _C

Tensor = _C.Tensor

__all__ = ["assert_allclose", "assert_close", "make_tensor"]

# rtol, atol
_TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}


def _dtype_name(dtype):
    return str(dtype).rsplit(".", 1)[-1]


class _Rules:
    """What assert_close was told."""

    def __init__(self, **told):
        self.__dict__.update(told)

    def tolerances(self, *dtypes):
        if self.rtol is not None:
            return self.rtol, self.atol
        pairs = [_TOLERANCES.get(_dtype_name(dtype), (0.0, 0.0)) for dtype in dtypes]
        return max(pair[0] for pair in pairs), max(pair[1] for pair in pairs)

    def fail(self, text, where):
        if where:
            text += "\n\nThe failure occurred for item " + "".join(f"[{key!r}]" for key in where)
        if self.msg is not None:
            text = self.msg(text) if callable(self.msg) else self.msg
        raise AssertionError(text)


def assert_close(
    actual,
    expected,
    *,
    allow_subclasses=True,
    rtol=None,
    atol=None,
    equal_nan=False,
    check_device=True,
    check_dtype=True,
    check_layout=True,
    check_stride=False,
    msg=None,
):
    """AssertionError unless |actual - expected| <= atol + rtol * |expected| everywhere and shapes,
    dtypes and devices are the same (source: torch.testing.assert_close).

    Takes tensors, numbers, NumPy arrays, and sequences and mappings of them. Tolerances default to
    the dtype's; both or none must be given.
    """
    if (rtol is None) != (atol is None):
        which = "rtol" if rtol is None else "atol"
        raise ValueError(
            f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {which}."
        )
    rules = _Rules(
        allow_subclasses=allow_subclasses,
        rtol=rtol,
        atol=atol,
        equal_nan=equal_nan,
        check_device=check_device,
        check_dtype=check_dtype,
        check_stride=check_stride,
        msg=msg,
    )
    _compare(actual, expected, rules, ())


def _compare(actual, expected, rules, where):
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if set(actual) != set(expected):
            rules.fail(
                "The keys of the mappings do not match:\n"
                "Missing keys in the actual mapping: "
                f"{sorted(set(expected) - set(actual), key=str)}\n"
                "Additional keys in the actual mapping: "
                f"{sorted(set(actual) - set(expected), key=str)}",
                where,
            )
        for key in expected:
            _compare(actual[key], expected[key], rules, (*where, key))
    elif _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            rules.fail(
                f"The length of the sequences mismatch: {len(actual)} != {len(expected)}", where
            )
        for i, (a, b) in enumerate(zip(actual, expected)):
            _compare(a, b, rules, (*where, i))
    elif actual is None and expected is None:
        pass
    elif _is_number(actual) and _is_number(expected):
        _compare_numbers(actual, expected, rules, where)
    else:
        if not rules.allow_subclasses and type(actual) is not type(expected):
            raise TypeError(
                f"No comparison pair was able to handle inputs of type {type(actual)} "
                f"and {type(expected)}."
            )
        _compare_tensors(_as_tensor(actual, expected), _as_tensor(expected, actual), rules, where)


def _is_sequence(x):
    return isinstance(x, Sequence) and not isinstance(x, (str, bytes))


def _is_number(x):
    return isinstance(x, (bool, int, float, complex))


def _as_tensor(x, other):
    """x as a tensor where it is one or an array; a number only beside nothing."""
    if isinstance(x, Tensor):
        return x
    if hasattr(x, "__array__") or hasattr(x, "__array_interface__"):
        return _C.as_tensor(x)
    raise TypeError(
        f"No comparison pair was able to handle inputs of type {type(x)} and {type(other)}."
    )


def _compare_numbers(actual, expected, rules, where):
    if rules.check_dtype and type(actual) is not type(expected):
        rules.fail(f"The (d)types do not match: {type(actual)} != {type(expected)}.", where)
    exact = not isinstance(actual, float) and not isinstance(expected, float)
    rtol, atol = rules.tolerances(_C.int64 if exact else _C.float64)
    if actual == expected or (rules.equal_nan and actual != actual and expected != expected):
        return
    apart = abs(actual - expected)
    if not apart <= atol + rtol * abs(expected) or apart == float("inf"):
        ratio = apart / abs(expected) if expected else float("inf")
        rules.fail(
            _text(
                "Scalars",
                f"Expected {expected} but got {actual}.",
                apart,
                None,
                ratio,
                None,
                rtol,
                atol,
            ),
            where,
        )


def _text(kind, first, apart, apart_at, ratio, ratio_at, rtol, atol):
    """The message of a mismatch, in PyTorch's words."""
    equal = rtol == 0 and atol == 0
    lines = [f"{kind} are not {'equal' if equal else 'close'}!", "", first]
    for name, value, at, bound in (
        ("absolute", apart, apart_at, atol),
        ("relative", ratio, ratio_at, rtol),
    ):
        line = (
            f"{name.title()} difference: {value}"
            if at is None
            else f"Greatest {name} difference: {value} at index {at}"
        )
        lines.append(line if equal else f"{line} (up to {bound} allowed)")
    return "\n".join(lines)


def _compare_tensors(actual, expected, rules, where):
    if actual.shape != expected.shape:
        rules.fail(
            f"The values for attribute 'shape' do not match: {actual.shape} != "
            f"{expected.shape}.",
            where,
        )
    if rules.check_device and actual.device != expected.device:
        rules.fail(
            f"The values for attribute 'device' do not match: {actual.device} != "
            f"{expected.device}.",
            where,
        )
    if rules.check_dtype and actual.dtype != expected.dtype:
        rules.fail(
            f"The values for attribute 'dtype' do not match: {actual.dtype} != "
            f"{expected.dtype}.",
            where,
        )
    if rules.check_stride and actual.stride() != expected.stride():
        rules.fail(
            f"The values for attribute 'stride()' do not match: {actual.stride()} != "
            f"{expected.stride()}.",
            where,
        )
    rtol, atol = rules.tolerances(actual.dtype, expected.dtype)
    actual, expected = actual.detach(), expected.detach()
    if actual.dtype != expected.dtype:
        common = _C.promote_types(actual.dtype, expected.dtype)
        actual, expected = actual.to(common), expected.to(common)
    close = _C.isclose(actual, expected, rtol=rtol, atol=atol, equal_nan=rules.equal_nan)
    if bool(close.all()):
        return
    total, wrong = close.numel(), close.numel() - int(close.sum())
    first = f"Mismatched elements: {wrong} / {total} ({wrong / total:.1%})"
    wide = actual.dtype if actual.dtype.is_floating_point else _C.int64
    a, b = actual.to(wide).reshape(-1), expected.to(wide).reshape(-1)
    apart = _C.where(close.reshape(-1), _C.zeros_like(a), (a - b).abs())
    ratio = apart / b.abs()
    ratio = _C.where(close.reshape(-1), _C.zeros_like(ratio), ratio)
    places = [int(x.argmax()) for x in (apart, ratio)]
    rules.fail(
        _text(
            "Tensor-likes" if close.dim() else "Scalars",
            first if close.dim() else f"Expected {expected.item()} but got {actual.item()}.",
            apart[places[0]].item(),
            _unravel(places[0], close.shape) if close.dim() else None,
            ratio[places[1]].item(),
            _unravel(places[1], close.shape) if close.dim() else None,
            rtol,
            atol,
        ),
        where,
    )


def _unravel(place, shape):
    """The index of the flat place `place`."""
    index = []
    for size in reversed(shape):
        place, i = divmod(place, size)
        index.append(i)
    return tuple(reversed(index))


def make_tensor(
    *shape,
    dtype,
    device="cpu",
    low=None,
    high=None,
    requires_grad=False,
    noncontiguous=False,
    exclude_zero=False,
    memory_format=None,
):
    """A tensor of random numbers from [low, high): by default from -9 to 9, from 0 to 9 for uint8,
    and both truth values (source: torch.testing.make_tensor)."""
    if len(shape) == 1 and isinstance(shape[0], Sequence):
        shape = tuple(shape[0])
    floating = dtype.is_floating_point
    if low is None:
        low = 0 if dtype in (_C.bool, _C.uint8) else -9
    if high is None:
        high = 2 if dtype == _C.bool else 9 if floating or dtype.is_complex else 10
    sizes = (*shape[:-1], 2 * shape[-1]) if noncontiguous and shape else shape
    if floating or dtype.is_complex:
        made = _C.empty(sizes, dtype=dtype, device=device)
        (_C.view_as_real(made) if dtype.is_complex else made).uniform_(low, high)
    else:
        made = _C.randint(int(low), int(high), sizes, dtype=_C.int64, device=device).to(dtype)
    if noncontiguous and shape:
        made = made[..., ::2]
    if exclude_zero:
        made[made == 0] = 1
    return made.requires_grad_(requires_grad) if requires_grad else made


# rtol, atol of the older function
_OLDER = {"float16": (1e-3, 1e-3), "float32": (1e-4, 1e-5), "float64": (1e-5, 1e-8)}


def assert_allclose(actual, expected, rtol=None, atol=None, equal_nan=True, msg=""):
    """assert_close without its looks at dtype and strides and with wider tolerances, as in older
    programs (source: torch.testing.assert_allclose)."""
    actual, expected = (x if isinstance(x, Tensor) else _C.tensor(x) for x in (actual, expected))
    if rtol is None and atol is None:
        pairs = [_OLDER.get(str(x.dtype)[6:], (0.0, 0.0)) for x in (actual, expected)]
        rtol, atol = (max(pair) for pair in zip(*pairs))
    assert_close(
        actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_device=True,
        check_dtype=False, check_stride=False, msg=msg or None,
    )
