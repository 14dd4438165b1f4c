"""Attention whose scores and mask are functions of the positions (source:
torch.nn.attention.flex_attention).

The functions are run over all positions by vmap, and attention is computed densely: a BlockMask is
its function and its sizes.
"""
from __future__ import annotations

import math
from typing import NamedTuple, Optional

from flambeau import _C
from flambeau.func._vmap import vmap

__all__ = ["AuxOutput", "AuxRequest", "BlockMask", "and_masks", "create_block_mask", "create_mask",
           "flex_attention", "noop_mask", "or_masks"]

_DEFAULT_SPARSE_BLOCK_SIZE = 128


class AuxRequest(NamedTuple):
    """What flex_attention gives besides its output."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """What it was asked for: the logarithms of the sums of exponentials, the largest scores."""

    lse: Optional[_C.Tensor] = None
    max_scores: Optional[_C.Tensor] = None


def noop_mask(batch, head, token_q, token_kv):
    """Looks everywhere."""
    return batch.new_ones((), dtype=_C.bool)


def and_masks(*mask_mods):
    """The places where all of them look."""

    def mask(b, h, q_idx, kv_idx):
        result = b.new_ones((), dtype=_C.bool)
        for mask_mod in mask_mods:
            result = result & mask_mod(b, h, q_idx, kv_idx)
        return result

    return mask


def or_masks(*mask_mods):
    """The places where one of them looks."""

    def mask(b, h, q_idx, kv_idx):
        result = b.new_zeros((), dtype=_C.bool)
        for mask_mod in mask_mods:
            result = result | mask_mod(b, h, q_idx, kv_idx)
        return result

    return mask


def _over_positions(function, prefix):
    """function(*prefix, b, h, q, k) over all positions: prefix arguments have the four dims."""
    first = (0,) * prefix
    for dims in ((None, None, None, 0), (None, None, 0, None), (None, 0, None, None),
                 (0, None, None, None)):
        function = vmap(function, in_dims=first + dims)
    return function


def create_mask(mod_fn, B, H, Q_LEN, KV_LEN, device=None):
    """mod_fn over all positions: a bool tensor of (B, H, Q_LEN, KV_LEN)."""
    positions = [_C.arange(n) for n in (B or 1, H or 1, Q_LEN, KV_LEN)]
    return _over_positions(mod_fn, 0)(*positions)


class BlockMask:
    """A mask as a function of (batch, head, query, key), and its sizes."""

    def __init__(self, mask_mod, shape, block_size):
        self.mask_mod, self.shape, self.BLOCK_SIZE = mask_mod, tuple(shape), block_size
        self.seq_lengths = self.shape[-2:]

    def numel(self):
        return math.prod(self.shape)

    def to_dense(self):
        """The mask itself."""
        return create_mask(self.mask_mod, *self.shape)

    def sparsity(self):
        """The part of all places at which nothing is looked, in percent."""
        dense = self.to_dense()
        return 100.0 * (1 - dense.sum().item() / max(dense.numel(), 1))

    def to(self, device):
        return self

    def __repr__(self):
        return f"BlockMask(shape={self.shape}, mask_mod={self.mask_mod})"


def create_block_mask(mask_mod, B, H, Q_LEN, KV_LEN, device=None,
                      BLOCK_SIZE=_DEFAULT_SPARSE_BLOCK_SIZE, _compile=False, **options):
    """The BlockMask of a function of (batch, head, query, key) (source:
    torch.nn.attention.flex_attention.create_block_mask)."""
    size = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else tuple(BLOCK_SIZE)
    return BlockMask(mask_mod, (B or 1, H or 1, Q_LEN, KV_LEN), size)


def _look(scores, block_mask):
    """(the scores with -inf where the mask does not look, the rows in which it looks nowhere)."""
    q, k = scores.shape[-2:]
    if block_mask.seq_lengths[0] < q or block_mask.seq_lengths[1] < k:
        raise ValueError(
            f"block_mask was created for block_mask.shape={block_mask.shape} but got q_len={q} and"
            f" kv_len={k}. As the block mask was created for a smaller length than you're using it"
            " for, you likely need to create a new block mask."
        )
    mask = create_mask(block_mask.mask_mod, *block_mask.shape[:2], q, k)
    return scores.masked_fill(~mask, -math.inf), ~mask.any(-1, keepdim=True)


def flex_attention(query, key, value, score_mod=None, block_mask=None, scale=None,
                   enable_gqa=False, return_lse=False, kernel_options=None, *, return_aux=None):
    """softmax(score_mod(query keyᵀ scale)) value, looking where block_mask looks (source:
    torch.nn.attention.flex_attention.flex_attention).

    query (B, H, L, E), key (B, H, S, E), value (B, H, S, V). score_mod(score, b, h, q, k) gives
    each score anew. Rows that look nowhere are 0. return_lse, return_aux: what is given besides.
    """
    if query.dim() != 4 or key.dim() != 4 or value.dim() != 4:
        raise NotImplementedError("NYI: query, key, and value must be 4D tensors")
    if enable_gqa:
        times = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(times, 1), value.repeat_interleave(times, 1)
    elif query.shape[1] != key.shape[1]:
        raise ValueError(
            f"Expect query and key/value to have the same number of heads but got Hq="
            f"{query.shape[1]} and Hkv={key.shape[1]}. Try setting enable_gqa=True for GQA."
        )
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query @ key.mT) * scale
    if score_mod is not None:
        positions = [_C.arange(n) for n in scores.shape]
        scores = _over_positions(score_mod, 1)(scores, *positions)
    nowhere = None
    if block_mask is not None:
        scores, nowhere = _look(scores, block_mask)
    lse = scores.logsumexp(-1)
    if nowhere is None:
        weights = scores.softmax(-1)
    else:  # a row of -inf alone has no softmax
        weights = scores.masked_fill(nowhere, 0.0).softmax(-1).masked_fill(nowhere, 0.0)
    output = weights.to(value.dtype) @ value
    if return_aux is not None:
        return output, AuxOutput(lse if return_aux.lse else None,
                                 scores.amax(-1) if return_aux.max_scores else None)
    return (output, lse) if return_lse else output
