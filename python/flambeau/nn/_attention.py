"""Multi-head attention as a function (source: torch.nn.functional.multi_head_attention_forward).

Letters: L queries and S keys of a sequence, N sequences, E features, H heads of D = E / H features.
"""
from __future__ import annotations

import math
import warnings

import flambeau
from flambeau.nn._binding import _nn


def _none_or_dtype(input):
    """A tensor's dtype, None of None (source: torch.nn.functional._none_or_dtype)."""
    if input is None or isinstance(input, flambeau.Tensor):
        return None if input is None else input.dtype
    raise RuntimeError("input to _none_or_dtype() must be None or torch.Tensor")


def _canonical_mask(mask, mask_name, other_type, other_name, target_type, check_other=True):
    """A mask that is added to the scores: a bool one becomes 0 and -inf (True: do not look)
    (source: torch.nn.functional._canonical_mask, which copies of its layers call)."""
    if mask is None:
        return None
    if mask.dtype is not flambeau.bool and not mask.is_floating_point():
        raise AssertionError(f"only bool and floating types of {mask_name} are supported")
    if check_other and other_type is not None and mask.dtype is not other_type:
        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. Use same type for both"
            " instead.",
            stacklevel=4,
        )
    if mask.is_floating_point():
        return mask
    return flambeau.zeros_like(mask, dtype=target_type).masked_fill_(mask, -math.inf)


def _mha_shape_check(query, key, value, key_padding_mask, attn_mask, num_heads):
    """Whether the inputs are batched; AssertionError where shapes do not fit together."""
    def require(condition, message):
        if not condition:
            raise AssertionError(message)

    batched = query.dim() == 3
    if not batched and query.dim() != 2:
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {query.dim()}-D query"
            " tensor"
        )
    kind, dims = ("batched", 3) if batched else ("unbatched", 2)
    require(
        key.dim() == dims and value.dim() == dims,
        f"For {kind} ({dims}-D) `query`, expected `key` and `value` to be {dims}-D but found"
        f" {key.dim()}-D and {value.dim()}-D tensors respectively",
    )
    if key_padding_mask is not None:
        require(
            key_padding_mask.dim() == dims - 1,
            f"For {kind} ({dims}-D) `query`, expected `key_padding_mask` to be `None` or"
            f" {dims - 1}-D but found {key_padding_mask.dim()}-D tensor instead",
        )
    if attn_mask is not None:
        require(
            attn_mask.dim() in (2, 3),
            f"For {kind} ({dims}-D) `query`, expected `attn_mask` to be `None`, 2-D or 3-D but"
            f" found {attn_mask.dim()}-D tensor instead",
        )
        if not batched and attn_mask.dim() == 3:
            expected = (num_heads, query.shape[0], key.shape[0])
            require(
                tuple(attn_mask.shape) == expected,
                f"Expected `attn_mask` shape to be {expected} but got {tuple(attn_mask.shape)}",
            )
    return batched


def _project_packed(query, key, value, weight, bias):
    """Queries, keys and values by one weight (3E, E): in one product where they are one tensor."""
    from flambeau.nn.functional import linear

    E = query.size(-1)
    if key is value and query is key:
        both = linear(query, weight, bias)
        both = both.unflatten(-1, (3, E)).unsqueeze(0).transpose(0, -2).squeeze(-2).contiguous()
        return both[0], both[1], both[2]
    if key is value:
        w_q, w_kv = weight.split([E, 2 * E])
        b_q, b_kv = (None, None) if bias is None else bias.split([E, 2 * E])
        q = linear(query, w_q, b_q)
        both = linear(key, w_kv, b_kv)
        both = both.unflatten(-1, (2, E)).unsqueeze(0).transpose(0, -2).squeeze(-2).contiguous()
        return q, both[0], both[1]
    weights = weight.chunk(3)  # first, so that the bias has its gradient first
    biases = (None, None, None) if bias is None else bias.chunk(3)
    return tuple(linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases))


def _project(query, key, value, weights, bias):
    """Queries, keys and values by a weight each; keys and values may have their own features."""
    biases = (None, None, None) if bias is None else bias.chunk(3)
    return _in_projection(query, key, value, *weights, *biases)


def _in_projection_packed(q, k, v, w, b=None):
    """_project_packed, by PyTorch's name and in a list, as copies of its attention call it."""
    return list(_project_packed(q, k, v, w, b))


def _in_projection(q, k, v, w_q, w_k, w_v, b_q=None, b_k=None, b_v=None):
    """Queries, keys and values by a weight and a bias each (source: _in_projection, likewise)."""
    from flambeau.nn.functional import linear

    E, Ek, Ev = q.size(-1), k.size(-1), v.size(-1)
    for name, weight, shape in zip("qkv", (w_q, w_k, w_v), ((E, E), (E, Ek), (E, Ev))):
        if tuple(weight.shape) != shape:
            raise AssertionError(
                f"expecting {name} weights shape of {shape}, but got {weight.shape}"
            )
    for name, bias in zip("qkv", (b_q, b_k, b_v)):
        if bias is not None and tuple(bias.shape) != (E,):
            raise AssertionError(f"expecting {name} bias shape of {(E,)}, but got {bias.shape}")
    return linear(q, w_q, b_q), linear(k, w_k, b_k), linear(v, w_v, b_v)


def _append(x, row):
    """x (S, N, E) and, after its last row, `row` (1, 1, E) for every sequence."""
    return flambeau.cat([x, row.repeat(1, x.shape[1], 1)])


def multi_head_attention_forward(
    query,
    key,
    value,
    embed_dim_to_check,
    num_heads,
    in_proj_weight,
    in_proj_bias,
    bias_k,
    bias_v,
    add_zero_attn,
    dropout_p,
    out_proj_weight,
    out_proj_bias,
    training=True,
    key_padding_mask=None,
    need_weights=True,
    attn_mask=None,
    use_separate_proj_weight=False,
    q_proj_weight=None,
    k_proj_weight=None,
    v_proj_weight=None,
    static_k=None,
    static_v=None,
    average_attn_weights=True,
    is_causal=False,
):
    """Attention in several heads ("Attention Is All You Need", Vaswani et al., 2017).

    query (L, N, E), key and value (S, N, E), or without N. Returns the output (L, N, E) and, where
    need_weights, the weights: (N, L, S), averaged over heads, else (N, H, L, S). key_padding_mask
    (N, S) and attn_mask (L, S) or (N * H, L, S): True, or -inf, where not to look.
    """
    from flambeau.nn.functional import dropout, linear, pad

    batched = _mha_shape_check(query, key, value, key_padding_mask, attn_mask, num_heads)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module"
            " method `generate_square_subsequent_mask` to create this mask."
        )
    if not batched:
        same = key is query, value is key
        query = query.unsqueeze(1)
        key = query if same[0] else key.unsqueeze(1)
        value = key if same[1] else value.unsqueeze(1)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    L, N, E = query.shape
    S = key.shape[0]
    key_padding_mask = _canonical_mask(
        key_padding_mask, "key_padding_mask", _none_or_dtype(attn_mask), "attn_mask", query.dtype
    )
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None  # the hint is enough
    else:
        attn_mask = _canonical_mask(attn_mask, "attn_mask", None, "", query.dtype, False)
        if key_padding_mask is not None:
            is_causal = False
    if E != embed_dim_to_check:
        raise AssertionError(
            f"was expecting embedding dimension of {embed_dim_to_check}, but got {E}"
        )
    D = E // num_heads
    if D * num_heads != E:
        raise AssertionError(f"embed_dim {E} not divisible by num_heads {num_heads}")
    if use_separate_proj_weight:
        if key.shape[:2] != value.shape[:2]:
            raise AssertionError(
                f"key's sequence and batch dims {key.shape[:2]} do not match value's"
                f" {value.shape[:2]}"
            )
        weights = (q_proj_weight, k_proj_weight, v_proj_weight)
        for name, weight in zip("qkv", weights):
            if weight is None:
                raise AssertionError(
                    f"use_separate_proj_weight is True but {name}_proj_weight is None"
                )
        q, k, v = _project(query, key, value, weights, in_proj_bias)
    else:
        if key.shape != value.shape:
            raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
        if in_proj_weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        q, k, v = _project_packed(query, key, value, in_proj_weight, in_proj_bias)

    if attn_mask is not None:
        shape = (L, S) if attn_mask.dim() == 2 else (N * num_heads, L, S)
        if tuple(attn_mask.shape) != shape:
            raise RuntimeError(
                f"The shape of the {attn_mask.dim()}D attn_mask is {attn_mask.shape}, but should"
                f" be {shape}."
            )
        if attn_mask.dim() == 2:
            attn_mask = attn_mask.unsqueeze(0)

    def one_more_key():
        nonlocal attn_mask, key_padding_mask
        attn_mask = None if attn_mask is None else pad(attn_mask, (0, 1))
        key_padding_mask = None if key_padding_mask is None else pad(key_padding_mask, (0, 1))

    if bias_k is not None and bias_v is not None:
        if static_k is not None or static_v is not None:
            raise AssertionError("bias cannot be added to static key.")
        k, v = _append(k, bias_k), _append(v, bias_v)
        one_more_key()

    def heads(x):
        return x.view(x.shape[0], N * num_heads, D).transpose(0, 1)

    q = heads(q)
    k = heads(k) if static_k is None else static_k
    v = heads(v) if static_v is None else static_v
    if add_zero_attn:
        zero = flambeau.zeros((N * num_heads, 1, D), dtype=k.dtype, device=k.device)
        k, v = flambeau.cat([k, zero], dim=1), flambeau.cat([v, zero], dim=1)
        one_more_key()
    S = k.size(1)

    if key_padding_mask is not None:
        if tuple(key_padding_mask.shape) != (N, S):
            raise AssertionError(
                f"expecting key_padding_mask shape of {(N, S)}, but got {key_padding_mask.shape}"
            )
        padding = (
            key_padding_mask.view(N, 1, 1, S)
            .expand(-1, num_heads, -1, -1)
            .reshape(N * num_heads, 1, S)
        )
        attn_mask = padding if attn_mask is None else attn_mask + padding
    dropout_p = dropout_p if training else 0.0

    if need_weights:
        if is_causal and attn_mask is None:
            raise AssertionError("FIXME: is_causal not implemented for need_weights")
        scaled = q * math.sqrt(1.0 / float(q.shape[-1]))
        if attn_mask is not None:
            scores = flambeau.baddbmm(attn_mask, scaled, k.transpose(-2, -1))
        else:
            scores = flambeau.bmm(scaled, k.transpose(-2, -1))
        scores = scores.softmax(dim=-1)
        if dropout_p > 0.0:
            scores = dropout(scores, p=dropout_p)
        output = flambeau.bmm(scores, v).transpose(0, 1).contiguous().view(L * N, E)
        output = linear(output, out_proj_weight, out_proj_bias).view(L, N, -1)
        scores = scores.view(N, num_heads, L, S)
        if average_attn_weights:
            scores = scores.mean(dim=1)
        if batched:
            return output, scores
        return output.squeeze(1), scores.squeeze(0)

    if attn_mask is not None:
        one = attn_mask.size(0) == 1 and attn_mask.dim() == 3
        attn_mask = attn_mask.unsqueeze(0) if one else attn_mask.view(N, num_heads, -1, S)
    output = _nn.scaled_dot_product_attention(
        q.view(N, num_heads, L, D),
        k.view(N, num_heads, S, D),
        v.view(N, num_heads, S, D),
        attn_mask,
        dropout_p,
        is_causal,
    )
    output = output.permute(2, 0, 1, 3).contiguous().view(N * L, E)
    output = linear(output, out_proj_weight, out_proj_bias).view(L, N, -1)
    return (output if batched else output.squeeze(1)), None
