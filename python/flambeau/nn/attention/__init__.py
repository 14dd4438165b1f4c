"""Which implementation of attention programs ask for (source: torch.nn.attention).

There is one implementation here; every choice means it.
"""
from __future__ import annotations

from contextlib import contextmanager
from enum import IntEnum

__all__ = ["SDPBackend", "WARN_FOR_UNFUSED_KERNELS", "sdpa_kernel"]

WARN_FOR_UNFUSED_KERNELS = False


class SDPBackend(IntEnum):
    """PyTorch's implementations of scaled_dot_product_attention."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4

    def __str__(self):
        return f"SDPBackend.{self.name}"


_chosen = [backend for backend in SDPBackend if backend >= 0]


def _cur_sdpa_kernel_backends(with_priority=False):
    return list(_chosen)


@contextmanager
def sdpa_kernel(backends, set_priority=False):
    """A context, or a decorator, that chooses one backend or a list of them."""
    global _chosen
    several = backends if isinstance(backends, list) else [backends]
    for backend in several:
        if not isinstance(backend, SDPBackend):
            raise AssertionError(
                "Backend must be an instance of SDPBackend or a list of SDPBackend instances,"
                f" got {type(backend).__name__}"
            )
    before, _chosen = _chosen, list(dict.fromkeys(several))
    try:
        yield {}
    finally:
        _chosen = before
