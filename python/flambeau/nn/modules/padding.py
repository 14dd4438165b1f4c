"""Padding (source: torch.nn.modules.padding)."""
from __future__ import annotations

from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module
from flambeau.nn.modules.utils import _ntuple

__all__ = [
    kind + f"Pad{n}d"
    for kind in ("Circular", "Constant", "Reflection", "Replication", "Zero")
    for n in (1, 2, 3)
]


class _Pad(Module):
    """padding is one number, or the numbers before and after of each dimension, the last first."""

    __constants__ = ["padding"]
    _mode, _dims = "constant", 0

    def __init__(self, padding):
        super().__init__()
        self.padding = _ntuple(2 * self._dims)(padding)

    def forward(self, input):
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self):
        return f"{self.padding}"


class _ConstantPadNd(_Pad):
    __constants__ = ["padding", "value"]

    def __init__(self, padding, value):
        super().__init__(padding)
        self.value = value

    def forward(self, input):
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self):
        return f"padding={self.padding}, value={self.value}"


class _ZeroPadNd(_ConstantPadNd):
    def __init__(self, padding):
        super().__init__(padding, 0.0)

    def extra_repr(self):
        return f"{self.padding}"


class _CircularPadNd(_Pad):
    _mode = "circular"

    def forward(self, input):
        if input.dim() not in (self._dims + 1, self._dims + 2):
            raise ValueError(
                f"expected {self._dims + 1}D or {self._dims + 2}D input (got {input.dim()}D input)"
            )
        return F.pad(input, self.padding, self._mode)


class _ReflectionPadNd(_Pad):
    _mode = "reflect"


class _ReplicationPadNd(_Pad):
    _mode = "replicate"


def _make(name, base, dims, doc):
    return type(name, (base,), {"_dims": dims, "__doc__": doc, "__module__": __name__})


for _kind, _base, _doc in (
        ("Circular", _CircularPadNd, "Pads the last {} dimensions with values from the other end."),
        ("Constant", _ConstantPadNd, "Pads the last {} dimensions with a value."),
        ("Reflection", _ReflectionPadNd, "Pads the last {} dimensions with their reflection."),
        ("Replication", _ReplicationPadNd, "Pads the last {} dimensions with their edge."),
        ("Zero", _ZeroPadNd, "Pads the last {} dimensions with zeros.")):
    for _n in (1, 2, 3):
        globals()[f"{_kind}Pad{_n}d"] = _make(f"{_kind}Pad{_n}d", _base, _n, _doc.format(_n))
