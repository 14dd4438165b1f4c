"""Attention whose scores and mask are functions of the positions (source:
torch.nn.attention.flex_attention).

The functions are run over all positions by vmap, and attention is computed densely: the blocks of a
BlockMask are for programs to look at.
"""
from __future__ import annotations

import itertools
import math
from typing import NamedTuple, Optional

from flambeau import _C
from flambeau.func._vmap import vmap
from flambeau.nn.functional import pad

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
    if not all(map(callable, mask_mods)):
        raise RuntimeError(f"All inputs should be callable mask_mods: {mask_mods}")

    def and_mask(b, h, q_idx, kv_idx):
        result = b.new_ones((), dtype=_C.bool)
        for mask_mod in mask_mods:
            result = result & mask_mod(b, h, q_idx, kv_idx)
        return result

    return and_mask


def or_masks(*mask_mods):
    """The places where one of them looks."""
    if not all(map(callable, mask_mods)):
        raise RuntimeError(f"All inputs should be callable mask_mods: {mask_mods}")

    def or_mask(b, h, q_idx, kv_idx):
        result = b.new_zeros((), dtype=_C.bool)
        for mask_mod in mask_mods:
            result = result | mask_mod(b, h, q_idx, kv_idx)
        return result

    return or_mask


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


def _ordered(blocks):
    """Of each row of blocks how many are looked at, and the numbers of all, those first."""
    order = blocks.argsort(dim=-1, descending=True, stable=True)
    return blocks.sum(-1).to(_C.int32), order.to(_C.int32)


_NAMED_BLOCKS = [side + what for side in ("kv", "full_kv", "q", "full_q")
                 for what in ("_num_blocks", "_indices")]
_OF_BLOCKS = {*_NAMED_BLOCKS, "_looked_at"}


class BlockMask:
    """A mask as a function of (batch, head, query, key), its sizes, and what it does to blocks of
    BLOCK_SIZE (queries, keys): kv_num_blocks and kv_indices name those of which it looks at a part,
    full_kv_num_blocks and full_kv_indices at all; q_... the same for columns."""

    def __init__(self, mask_mod, shape, block_size):
        self.mask_mod, self.shape, self.BLOCK_SIZE = mask_mod, tuple(shape), block_size
        self.seq_lengths = self.shape[-2:]

    def __getattr__(self, name):
        if name not in _OF_BLOCKS:
            raise AttributeError(f"'BlockMask' object has no attribute '{name}'")
        self._look_at_blocks()
        return self.__dict__[name]

    def _look_at_blocks(self):
        """Sets what is known of blocks, once it is asked for: it takes a mask of all places."""
        dense = create_mask(self.mask_mod, *self.shape)
        (q, k), (rows, columns) = self.seq_lengths, self.BLOCK_SIZE
        tall, wide = -(-q // rows), -(-k // columns)
        blocks = pad(dense, (0, wide * columns - k, 0, tall * rows - q))
        counts = blocks.view(*self.shape[:2], tall, rows, wide, columns).sum((3, 5))
        full = counts == rows * columns
        part = (counts > 0) & ~full
        self.kv_num_blocks, self.kv_indices = _ordered(part)
        self.full_kv_num_blocks, self.full_kv_indices = _ordered(full)
        self.q_num_blocks, self.q_indices = _ordered(part.mT)
        self.full_q_num_blocks, self.full_q_indices = _ordered(full.mT)
        self._looked_at = (counts > 0).to(_C.int32)

    def numel(self):
        return math.prod(self.shape)

    def to_dense(self):
        """Which blocks are looked at: (B, H, blocks of queries, blocks of keys), 0 or 1."""
        return self._looked_at

    def sparsity(self):
        """The part of all places that lies in blocks at which nothing is looked, in percent."""
        return 100 * (1 - self._looked_at.sum().item() * math.prod(self.BLOCK_SIZE)
                      / max(self.numel(), 1))

    def to(self, device):
        return self

    def to_string(self, grid_size=(20, 20), limit=4):
        """A picture of at most grid_size characters (-1: all blocks) for each batch and head, of
        which `limit` are drawn."""
        pictures = []
        for at in itertools.product(*map(range, self.shape[:2])):
            if len(pictures) == limit:
                pictures += ["...", "To print out more, set BlockMask.to_string(limit=N)",
                             "You can also index (BlockMask[batch, head]) to choose a specific "
                             "batch or head"]
                break
            pictures.append(f"{at}\n{_picture(self._looked_at[at], grid_size)}")
        return "\n".join(pictures)

    def __str__(self):
        return (f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%, \n"
                f"{self.to_string().strip()}\n)")

    def __repr__(self):
        lines = [f"{name}={getattr(self, name).shape}" for name in _NAMED_BLOCKS]
        lines += [f"BLOCK_SIZE={self.BLOCK_SIZE}", f"shape={self.shape}",
                  f"sparsity={self.sparsity():.2f}%",
                  f"mask_mod={getattr(self.mask_mod, '__name__', self.mask_mod)}"]
        return "BlockMask(\n    " + ",\n    ".join(lines) + "\n)"


def _picture(blocks, grid_size):
    """Two characters for each part of a matrix of blocks: all, some or none of them looked at."""
    rows, columns = blocks.shape
    most = (grid_size, grid_size) if isinstance(grid_size, int) else grid_size
    down, along = (max(1, -(-n // m)) if m > 0 else 1 for n, m in zip((rows, columns), most))
    text = ""
    for r in range(0, rows, down):
        for c in range(0, columns, along):
            part = blocks[r:r + down, c:c + along].float().mean().item()
            text += ("█" if part == 1 else "░" if part else " ") * 2
        text += "\n"
    return text


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
