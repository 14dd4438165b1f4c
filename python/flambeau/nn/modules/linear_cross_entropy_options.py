"""How linear_cross_entropy cuts a batch into pieces (source: LinearCrossEntropyOptions of
torch.nn)."""
from __future__ import annotations

import dataclasses

import flambeau

__all__ = ["LinearCrossEntropyOptions"]

_POLICIES = ("auto", "accurate", "balanced", "compact")
_HALVES = (flambeau.float16, flambeau.bfloat16)
_DTYPES = (None, *_HALVES, flambeau.float32, flambeau.float64)


@dataclasses.dataclass(slots=True, frozen=True)
class LinearCrossEntropyOptions:
    """Asks linear_cross_entropy to compute in pieces.

    allow_retain_graph: accepted; backward can always run again here, since it computes the logits
    anew. batch_chunk_size: samples a piece. chunking_method: "auto", "aspect_ratio" (a piece's
    logits take the memory of the whole input), "aspect_ratio:N" (a part of N), or None. acc_policy:
    accepted. acc_dtype: the dtype in which losses and gradients are summed; of float16 and bfloat16
    inputs float32, otherwise the input's.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: flambeau.dtype | None = None

    def __post_init__(self):
        if self.acc_policy not in _POLICIES:
            raise ValueError(
                f"acc_policy must be one of {sorted(_POLICIES)}, got {self.acc_policy!r}"
            )
        size = self.batch_chunk_size
        if size is not None and size < 1:
            raise ValueError(f"batch_chunk_size must be None or a positive integer, got {size}")
        if self.chunking_method not in (None, "auto"):
            name, colon, parts = self.chunking_method.partition(":")
            if name != "aspect_ratio" or (colon and not (parts.isdecimal() and int(parts) >= 1)):
                raise ValueError(
                    "chunking_method must be None, 'auto', 'aspect_ratio' or 'aspect_ratio:N' with"
                    f" N >= 1, got {self.chunking_method!r}"
                )
        if self.acc_dtype not in _DTYPES:
            raise ValueError(
                "acc_dtype must be one of {None, torch.float16, torch.bfloat16, torch.float32,"
                f" torch.float64}}, got {self.acc_dtype!r}. Pass acc_dtype=None to let the op pick"
                " automatically."
            )

    def _compute_batch_chunk_size(self, num_batches, in_features, num_classes, method=None):
        """The size of a piece by the method: a power of two, so that the logits of a piece are no
        larger than the input, over N."""
        _, _, parts = (method or self.chunking_method).partition(":")
        pieces = -(-num_classes // in_features)
        size = 1 << (-(-num_batches // pieces) - 1).bit_length()
        return min(size // int(parts or 1), num_batches)

    def _adjust(self, num_batches, in_features, num_classes, dtype, device=None):
        """The options with all that is left to choose chosen for an input."""
        size, method, policy = self.batch_chunk_size, self.chunking_method, self.acc_policy
        half = device is not None and dtype in _HALVES
        if method == "auto":
            method = None if size else "aspect_ratio" if half else "aspect_ratio:2"
        if policy == "auto":
            policy = "accurate" if half else "compact"
        chosen = min(size or num_batches, num_batches)
        if method is not None:
            chosen = self._compute_batch_chunk_size(num_batches, in_features, num_classes, method)
            if size not in (None, chosen):
                raise ValueError(
                    f"batch_chunk_size (={size}) and chunking_method ('{method}') give different"
                    f" chunk sizes ({size} vs {chosen}); pass only one."
                )
        wide = self.acc_dtype
        if wide is None:
            wide = flambeau.float32 if half and self.acc_policy == "auto" else dtype
        return dataclasses.replace(self, acc_policy=policy, chunking_method=method,
                                   batch_chunk_size=max(1, chosen), acc_dtype=wide)


def own_options(options):
    """Options of our class with the fields of another dataclass, such as PyTorch's own."""
    if isinstance(options, LinearCrossEntropyOptions):
        return options
    return LinearCrossEntropyOptions(**dataclasses.asdict(options))
