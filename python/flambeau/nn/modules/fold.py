"""Windows of an image as columns, and back (source: torch.nn.modules.fold)."""
from __future__ import annotations

from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module

TYPE_CHECKING = False  # a type checker reads what follows; no program does
if TYPE_CHECKING:
    from flambeau.nn.common_types import _size_any_t

__all__ = ["Fold", "Unfold"]


class Unfold(Module):
    """Every window of (N, C, H, W) as a column."""

    __constants__ = ["kernel_size", "dilation", "padding", "stride"]

    def __init__(self, kernel_size, dilation: _size_any_t = 1, padding: _size_any_t = 0,
                 stride: _size_any_t = 1):
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = (
            kernel_size,
            dilation,
            padding,
            stride,
        )

    def forward(self, input):
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self):
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Fold(Module):
    """The sum of columns put back at their places."""

    __constants__ = ["output_size", "kernel_size", "dilation", "padding", "stride"]

    def __init__(self, output_size, kernel_size, dilation: _size_any_t = 1,
                 padding: _size_any_t = 0, stride: _size_any_t = 1):
        super().__init__()
        self.output_size, self.kernel_size = output_size, kernel_size
        self.dilation, self.padding, self.stride = dilation, padding, stride

    def forward(self, input):
        return F.fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self):
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size},"
            f" dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
        )
