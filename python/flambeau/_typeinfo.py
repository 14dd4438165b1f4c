"""Limits of the dtypes (source: torch.finfo, torch.iinfo)."""

from flambeau import _C

# name: bits, digits of the significand after the point, smallest exponent of a normal number,
# largest exponent, resolution; and the maximum where PyTorch's eps does not give it
_FLOATS = {
    "float16": (16, 10, -14, 15, 1e-3),
    "bfloat16": (16, 7, -126, 127, 1e-2),
    "float32": (32, 23, -126, 127, 1e-6),
    "float64": (64, 52, -1022, 1023, 1e-15),
    "float8_e4m3fn": (8, 3, -6, 8, 1.0, 448.0),
    "float8_e4m3fnuz": (8, 3, -7, 7, 1.0),
    "float8_e5m2": (8, 2, -14, 15, 1.0),
    "float8_e5m2fnuz": (8, 3, -15, 15, 1.0, 57344.0),
    "float8_e8m0fnu": (8, 0, -127, 127, 1.0, 2.0**127),
    "complex64": (32, 23, -126, 127, 1e-6),
    "complex128": (64, 52, -1022, 1023, 1e-15),
}
_INTEGERS = {
    "uint8": (8, False),
    "uint16": (16, False),
    "uint32": (32, False),
    "uint64": (64, False),
    "int8": (8, True),
    "int16": (16, True),
    "int32": (32, True),
    "int64": (64, True),
}


def _name(dtype):
    return str(dtype).rsplit(".", 1)[-1]


class finfo:
    """finfo(dtype=default dtype): bits, eps, max, min, tiny, smallest_normal, resolution, dtype."""

    def __init__(self, dtype=None):
        self.dtype = _name(_C.get_default_dtype() if dtype is None else dtype)
        if self.dtype not in _FLOATS:
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo "
                "to handle 'torch.finfo'"
            )
        self.bits, digits, low, high, self.resolution, *top = _FLOATS[self.dtype]
        self.dtype = {"complex64": "float32", "complex128": "float64"}.get(self.dtype, self.dtype)
        self.eps = 2.0**-digits
        self.max = top[0] if top else (2.0 - self.eps) * 2.0**high
        self.tiny = self.smallest_normal = 2.0**low
        self.min = self.tiny if self.dtype == "float8_e8m0fnu" else -self.max

    def __repr__(self):
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.tiny:g}, tiny={self.tiny:g}, "
            f"dtype={self.dtype})"
        )

    def __eq__(self, other):
        return isinstance(other, finfo) and self.dtype == other.dtype

    __hash__ = None


class iinfo:
    """iinfo(dtype): bits, max, min, dtype."""

    def __init__(self, dtype):
        self.dtype = _name(dtype)
        if self.dtype == "bool":
            raise TypeError("torch.bool is not supported by torch.iinfo")
        if self.dtype not in _INTEGERS:
            raise TypeError(
                "torch.iinfo() requires an integer input type. Use torch.finfo to handle "
                "'torch.iinfo'"
            )
        self.bits, signed = _INTEGERS[self.dtype]
        self.max = 2 ** (self.bits - signed) - 1
        self.min = -(2 ** (self.bits - 1)) if signed else 0

    def __repr__(self):
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"

    def __eq__(self, other):
        return isinstance(other, iinfo) and self.dtype == other.dtype

    __hash__ = None
