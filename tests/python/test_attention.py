"""Attention and transformers: PyTorch's numbers for one seed, dropout included, and refusals."""
import pytest

import flambeau as torch
from flambeau import nn


def near(tensor, values):
    assert tensor.flatten().tolist() == pytest.approx(values, abs=2e-5)


def test_self_attention_with_dropout():
    torch.manual_seed(0)
    m = nn.MultiheadAttention(4, 2, dropout=0.25)
    q = torch.randn(3, 1, 4)
    y, w = m(q, q, q)
    near(y, [0.22757, -0.08302, 0.08119, -0.00496, 0.28218, -0.01557, 0.1172, -0.03995, 0.20332,
             -0.05397, 0.07802, 0.13427])
    near(w, [0.24987, 0.53986, 0.11207, 0.22859, 0.22657, 0.45036, 0.41672, 0.2681, 0.0])


def test_other_features_and_extra_keys():
    torch.manual_seed(1)
    m = nn.MultiheadAttention(4, 2, kdim=3, vdim=5, add_bias_kv=True, add_zero_attn=True,
                              batch_first=True)
    q, k, v = torch.randn(1, 2, 4), torch.randn(1, 3, 3), torch.randn(1, 3, 5)
    padding = torch.tensor([[False, True, False]])
    y, w = m(q, k, v, key_padding_mask=padding, average_attn_weights=False)
    near(y, [0.35741, -0.29664, 0.11968, 0.19108, 0.14612, -0.19283, 0.06596, 0.10643])
    near(w, [0.31033, 0.0, 0.20539, 0.23325, 0.25103, 0.2139, 0.0, 0.28832, 0.25441, 0.24336,
             0.36157, 0.0, 0.13723, 0.30207, 0.19913, 0.16511, 0.0, 0.41056, 0.19332, 0.23102])
    same, none = m(q, k, v, key_padding_mask=padding, need_weights=False)
    assert none is None and torch.allclose(same, y, atol=1e-6)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_transformer():
    torch.manual_seed(2)
    t = nn.Transformer(4, 2, 1, 1, 8, dropout=0.2)
    src, tgt = torch.randn(3, 1, 4), torch.randn(2, 1, 4)
    y = t(src, tgt, tgt_mask=t.generate_square_subsequent_mask(2))
    near(y, [-1.72649, 0.44488, 0.64052, 0.64109, -1.17474, -0.76234, 1.25373, 0.68334])
    y.pow(3).sum().backward()
    near(t.encoder.layers[0].self_attn.in_proj_bias.grad,
         [-0.00947, -0.00149, 0.17281, 0.1396, 0, 0, 0, 0, 0.45799, 0.20316, -0.22762, -0.26])
    assert len(list(t.parameters())) == 34


def test_inference_leaves_padding_out():
    torch.manual_seed(3)
    e = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 1).eval()
    padding = torch.tensor([[False, False, True]])
    with torch.no_grad():
        near(e(torch.randn(1, 3, 4), src_key_padding_mask=padding),
             [-1.40437, -0.48605, 0.99343, 0.89699, -1.55464, -0.19863, 0.81907, 0.9342, 0, 0, 0, 0])


def test_unbatched_is_a_batch_of_one():
    m = nn.MultiheadAttention(8, 4).eval()
    x = torch.randn(5, 8)
    y, w = m(x, x, x)
    batch, weights = m(x[:, None], x[:, None], x[:, None])
    assert y.shape == (5, 8) and w.shape == (5, 5)
    assert torch.equal(y, batch[:, 0]) and torch.equal(w, weights[0])


@pytest.mark.parametrize("call, error, text", [
    (lambda: nn.MultiheadAttention(8, 3), AssertionError, "embed_dim must be divisible"),
    (lambda: nn.MultiheadAttention(0, 3), ValueError, "must be greater than 0"),
    (lambda: nn.MultiheadAttention(4, 2)(*[torch.ones(2, 2, 2, 4)] * 3), AssertionError,
     "query should be unbatched 2D or batched 3D tensor but received 4-D query tensor"),
    (lambda: nn.MultiheadAttention(4, 2)(*[torch.ones(2, 1, 4)] * 3, attn_mask=torch.ones(3, 3)),
     RuntimeError, "The shape of the 2D attn_mask is"),
    (lambda: nn.MultiheadAttention(4, 2)(*[torch.ones(2, 1, 4)] * 3, is_causal=True),
     RuntimeError, "Need attn_mask if specifying the is_causal hint"),
    (lambda: nn.TransformerEncoderLayer(4, 2, activation="x"), RuntimeError,
     "activation should be relu/gelu, not x"),
])
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()


def plain_attention(q, k, v, mask=None, scale=None):
    """Attention by operators, a row that may look nowhere being 0."""
    s = q @ k.transpose(-2, -1) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if mask is not None and mask.dtype == torch.bool:
        s = s.masked_fill(~mask, -float("inf"))
    elif mask is not None:
        s = s + mask
    return torch.nan_to_num(s.softmax(-1)) @ v


LOOKS = {
    "all": {}, "scaled": {"scale": 0.3}, "causal": {"is_causal": True},
    "bool": {"attn_mask": lambda L, S: torch.arange(L)[:, None] * 7 % 5 > torch.arange(S) % 6},
    "padding": {"attn_mask": lambda L, S: (torch.arange(S) < S // 2).reshape(1, 1, 1, S)},
    "added": {"attn_mask": lambda L, S: torch.arange(L * S, dtype=torch.float64).sin().reshape(L, S)},
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("L, S", [(3, 5), (150, 600), (140, 140)])
def test_fused_attention_and_its_gradients(look, L, S):
    """Blocks of rows, whole and partial, against operators."""
    torch.manual_seed(1)
    given = dict(LOOKS[look])
    if "attn_mask" in given:
        given["attn_mask"] = given["attn_mask"](L, S)
    plain = {k: v for k, v in given.items() if k == "scale"}
    mask = given.get("attn_mask")
    if given.get("is_causal"):
        mask = torch.ones(L, S, dtype=torch.bool).tril()
    q, k, v = (torch.randn(2, 2, n, d, dtype=torch.float64, requires_grad=True)
               for n, d in ((L, 4), (S, 4), (S, 3)))
    y = nn.functional.scaled_dot_product_attention(q, k, v, **given)
    expected = plain_attention(q, k, v, mask, **plain)
    assert torch.allclose(y, expected, rtol=1e-11, atol=1e-12)
    weight = torch.randn(2, 2, L, 3, dtype=torch.float64)
    for a, b in zip(torch.autograd.grad(y, (q, k, v), weight), torch.autograd.grad(expected, (q, k, v), weight)):
        assert torch.allclose(a, b, rtol=1e-10, atol=1e-12)


def test_attention_of_attention():
    """What the fused kernel does not serve: gradients of gradients and of masks, broadcast batches, shared heads."""
    f = nn.functional.scaled_dot_product_attention
    q, k, v = (torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    assert torch.autograd.gradgradcheck(lambda q, k, v: f(q, k, v, is_causal=True), (q, k, v))
    mask = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    f(q, k, v, mask).sum().backward()
    assert mask.grad.shape == (3, 3) and mask.grad.abs().sum() < 9
    wide = torch.randn(4, 2, 3, 4, dtype=torch.float64)
    assert torch.allclose(f(wide, k, v), plain_attention(wide, k, v))
    heads = torch.randn(2, 4, 3, 4, dtype=torch.float64), torch.randn(2, 2, 3, 4, dtype=torch.float64)
    shared = heads[1].repeat_interleave(2, 1)
    assert torch.equal(f(heads[0], heads[1], heads[1], enable_gqa=True), f(heads[0], shared, shared))
    with pytest.raises(RuntimeError, match="Explicit attn_mask should not be set when is_causal=True"):
        f(q, k, v, mask, is_causal=True)


def test_causal_biases_of_other_lengths():
    from flambeau.nn.attention.bias import CausalBias, causal_lower_right, causal_upper_left

    torch.manual_seed(0)
    q, k, v = torch.randn(1, 2, 3, 4), torch.randn(1, 2, 5, 4), torch.randn(1, 2, 5, 4)
    attend = torch.nn.functional.scaled_dot_product_attention
    bias = causal_lower_right(3, 5)
    assert isinstance(bias, CausalBias) and repr(bias) == repr(torch.ones(3, 5).tril(2).bool())
    assert torch.equal(attend(q, k, v, bias), attend(q, k, v, torch.ones(3, 5).tril(2).bool()))
    assert torch.allclose(attend(q, k, v, causal_upper_left(3, 5)), attend(q, k, v, is_causal=True))
    with pytest.raises(ValueError, match="CausalBias should not be used with causal=True"):
        attend(q, k, v, bias, is_causal=True)
    with pytest.warns(UserWarning, match="Lower right causal bias will produce NaNs"):
        causal_lower_right(5, 3)


def test_block_masks_tell_their_blocks():
    from flambeau.nn.attention.flex_attention import and_masks, create_block_mask

    def causal(b, h, q, k):
        return q >= k

    def window(b, h, q, k):
        return q - k <= 4

    mask = create_block_mask(and_masks(causal, window), None, None, 20, 20, BLOCK_SIZE=4)
    assert mask.to_dense()[0, 0].tolist() == [
        [1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 1, 1]]
    assert mask.sparsity() == pytest.approx(64.0) and mask.numel() == 400
    assert mask.kv_num_blocks.tolist() == [[[1, 2, 2, 2, 2]]]
    assert mask.kv_indices[0, 0, 2].tolist() == [1, 2, 0, 3, 4]
    assert mask.q_num_blocks.tolist() == [[[2, 2, 2, 2, 1]]]
    assert not mask.full_kv_num_blocks.any()
    assert str(mask) == """BlockMask(shape=(1, 1, 20, 20), sparsity=64.00%, 
(0, 0)
██        
████      
  ████    
    ████  
      ████
)"""
    assert "mask_mod=and_mask" in repr(mask)
    assert "full_kv_indices=torch.Size([1, 1, 5, 5])" in repr(mask)
    assert "sparsity=100.00%" in repr(create_block_mask(causal, None, None, 0, 8, BLOCK_SIZE=4))
    calls = []
    lazy = create_block_mask(lambda b, h, q, k: calls.append(1) or q >= k, None, None, 8, 8)
    assert not calls and lazy.to_dense().tolist() == [[[[1]]]] and lazy.kv_indices.numel() == 1
    assert len(calls) == 1 and not hasattr(lazy, "blocks")
    with pytest.raises(RuntimeError, match="All inputs should be callable mask_mods"):
        and_masks(causal, 3)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_turned_heads_give_the_same_and_lie_as_they_came(causal, dtype):
    torch.manual_seed(0)
    lengths, heads, width = (37, 41, 41), 3, 5
    rows = [torch.randn(n, 2, heads * width).to(dtype) for n in lengths]
    turned = [r.view(n, 2, heads, width).permute(1, 2, 0, 3).detach().requires_grad_() for r, n in zip(rows, lengths)]
    plain = [t.detach().contiguous().requires_grad_() for t in turned]
    apart = [torch.stack([t.detach(), t.detach()], -1)[..., 0].requires_grad_() for t in turned]  # columns apart
    assert all(not t.is_contiguous() for t in turned + apart)
    results = [nn.functional.scaled_dot_product_attention(*operands, is_causal=causal) for operands in (plain, turned, apart)]
    weights = torch.randn(results[0].shape).to(dtype)
    gradients = [torch.autograd.grad(y, operands, g) for y, operands, g in
                 zip(results, (plain, turned, apart),
                 (weights, weights.transpose(1, 2).contiguous().transpose(1, 2), weights))]
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])
    for first, second, third, operand in zip(*gradients, turned):
        assert torch.equal(first, second) and torch.equal(first, third)
        assert second.stride() == operand.stride()
    assert results[1].permute(2, 0, 1, 3).is_contiguous()
