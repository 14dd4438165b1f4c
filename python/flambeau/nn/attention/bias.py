"""Causal masks of attention between sequences of different lengths (source:
torch.nn.attention.bias)."""

from enum import IntEnum
from warnings import warn

from flambeau import _C
from flambeau.nn import functional as F

__all__ = ["CausalBias", "CausalVariant", "causal_lower_right", "causal_upper_left"]


class CausalVariant(IntEnum):
    """Where the diagonal lies: it begins in the upper left corner, or ends in the lower right."""

    UPPER_LEFT = 1
    LOWER_RIGHT = 2


class CausalBias(_C.Tensor):
    """A causal mask for scaled_dot_product_attention's attn_mask, made when it is used."""

    def __init__(self, variant, seq_len_q, seq_len_kv):
        if not isinstance(variant, CausalVariant):
            raise AssertionError(f"variant must be a CausalVariant, got {type(variant).__name__}")
        super().__init__()
        self.variant, self.seq_len_q, self.seq_len_kv = variant, seq_len_q, seq_len_kv
        if seq_len_q > seq_len_kv and variant == CausalVariant.LOWER_RIGHT:
            warn("Lower right causal bias will produce NaNs in the output when seq_len_q > "
                 "seq_len_kv!", stacklevel=3)

    def __new__(cls, variant, seq_len_q, seq_len_kv):
        return _C.empty(0).as_subclass(cls)

    def _materialize(self, device=None):
        """The mask itself, (seq_len_q, seq_len_kv) of bool."""
        corner = self.variant == CausalVariant.LOWER_RIGHT
        ones = _C.ones(self.seq_len_q, self.seq_len_kv, dtype=_C.bool, device=device)
        return ones.tril(self.seq_len_kv - self.seq_len_q if corner else 0)

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func is F.scaled_dot_product_attention:
            return _attention(*args, **(kwargs or {}))
        return super().__torch_function__(func, types, args, kwargs or {})

    def __repr__(self):
        return repr(self._materialize())


def _attention(query, key, value, attn_mask, dropout_p=0.0, is_causal=False, **options):
    if is_causal:
        raise ValueError("CausalBias should not be used with causal=True")
    mask = attn_mask._materialize(query.device)
    return F.scaled_dot_product_attention(query, key, value, mask, dropout_p, False, **options)


def causal_upper_left(*size):
    """The CausalBias of size (L, S) that is_causal=True means: query i looks at keys 0 to i."""
    if len(size) != 2:
        raise AssertionError("causal_upper_left only supports 2D tensors")
    return CausalBias(CausalVariant.UPPER_LEFT, *size)


def causal_lower_right(*size):
    """The CausalBias of size (L, S) whose last query looks at all keys, as in a cache of keys."""
    if len(size) != 2:
        raise AssertionError("causal_lower_right only supports 2D tensors")
    return CausalBias(CausalVariant.LOWER_RIGHT, *size)
