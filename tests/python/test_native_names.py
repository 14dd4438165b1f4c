"""Names of torch.* that PyTorch's own operators have (torch._softmax, torch.convolution, losses whose
reduction is a number), which code beside nn.functional calls."""
import pytest

import flambeau as torch


def rounded(t):
    return [round(float(v), 5) for v in t.flatten()]


X, Y = torch.tensor([[0.5, -1], [2, 0.25]]), torch.tensor([[0.2, 0.8], [0.6, 0.4]])
SIGNS = torch.tensor([[1.0, -1], [-1, 1]])

LOSSES = [
    ("kl_div", (X, Y, 2), [-1.77341]),
    ("hinge_embedding_loss", (X, SIGNS, 1.0, 0), [0.5, 2.0, 0.0, 0.25]),
    ("margin_ranking_loss", (X, Y, SIGNS, 0.5, 0), [0.2, 0.0, 1.9, 0.65]),
    ("cosine_embedding_loss", (X, Y, torch.tensor([1, -1]), 0.1, 2), [2.55368]),
    ("triplet_margin_loss", (X, Y, X + 1, 1.0, 2.0, 1e-6, False, 0), [1.41062, 0.9938]),
    ("poisson_nll_loss", (X, Y, True, True, 1e-8, 1), [2.52242]),
    ("binary_cross_entropy_with_logits", (X, Y, None, None, 0), [0.87408, 1.11326, 0.92693, 0.72594]),
]


@pytest.mark.parametrize("name, arguments, expected", LOSSES, ids=[loss[0] for loss in LOSSES])
def test_losses_with_a_numbered_reduction(name, arguments, expected):
    assert rounded(getattr(torch, name)(*arguments)) == pytest.approx(expected, abs=2e-5)
    with pytest.raises(TypeError):
        getattr(torch, name)(*arguments[:2], reduction="mean")


def test_a_reduction_not_given_is_none():
    assert torch.kl_div(X, Y).shape == (2, 2) and torch.triplet_margin_loss(X, Y, X + 1).shape == (2,)
    assert torch.binary_cross_entropy_with_logits(X, Y).shape == (2, 2)


def test_softmax_by_its_parts():
    assert rounded(torch._softmax(Y, 1, False)) == rounded(torch.softmax(Y, 1))
    assert rounded(torch._log_softmax(Y, 1, False)) == rounded(torch.log_softmax(Y, 1))
    y = torch.softmax(Y, 1)
    assert rounded(torch._softmax_backward_data(X, y, 1, torch.float32)) == \
        pytest.approx([0.34318, -0.34318, 0.43315, -0.43315], abs=2e-5)
    assert rounded(torch._log_softmax_backward_data(X, y.log(), 1, torch.float32)) == \
        pytest.approx([0.67717, -0.67717, 0.76287, -0.76287], abs=2e-5)
    nothing = torch.full((2,), -float("inf"))
    safe = torch._safe_softmax(torch.stack([torch.tensor([1.0, 2]), nothing]), 1)
    assert rounded(safe) == [0.26894, 0.73106, 0, 0]


def test_convolutions_by_their_rank():
    a = torch.arange(12.0).reshape(2, 2, 3) / 10
    w = torch.arange(24.0).reshape(2, 3, 4) / 20 - 0.5
    y = torch.conv_tbc(a, w, torch.tensor([1.0, 2, 3, 4]), 1)
    assert rounded(y) == pytest.approx([
        1.13, 2.145, 3.16, 4.175, 1.4, 2.46, 3.52, 4.58, 1.62, 2.74, 3.86, 4.98,
        1.62, 2.83, 4.04, 5.25, 0.41, 1.515, 2.62, 3.725, 0.14, 1.29, 2.44, 3.59], abs=2e-5)
    with pytest.raises(RuntimeError, match="Input must have 3 dims: time, batch, in_channel"):
        torch.conv_tbc(a[0], w, torch.ones(4))
    c, k = torch.randn(2, 4, 5, 6), torch.randn(6, 2, 3, 3)
    plain = torch.nn.functional.conv2d(c, k, None, (2, 1), 1, 1, 2)
    for f, more in ((torch.convolution, ()), (torch._convolution, (False, False, True))):
        assert torch.equal(f(c, k, None, [2, 1], [1, 1], [1, 1], False, [0, 0], 2, *more), plain)
    up = torch.convolution(c, k.repeat(1, 1, 1, 1)[:4], None, [2, 2], [0, 0], [1, 1], True, [1, 1], 1)
    assert torch.equal(up, torch.nn.functional.conv_transpose2d(c, k[:4], None, 2, 0, 1))
    with pytest.raises(RuntimeError):
        torch.convolution(X, X, None, [1], [0], [1], False, [0], 1)


def test_small_ones():
    c = torch.arange(24.0).reshape(2, 4, 3)
    assert rounded(torch.native_channel_shuffle(c, 2))[:8] == [0, 1, 2, 6, 7, 8, 3, 4]
    normed = torch.instance_norm(c[:, :2], None, None, None, None, True, 0.1, 1e-5, False)
    assert rounded(normed)[:3] == pytest.approx([-1.22474, 0, 1.22474], abs=2e-5)
    assert rounded(torch._euclidean_dist(X, Y)) == pytest.approx([1.82483, 1.40357, 1.88215, 1.40801], abs=2e-5)
    assert rounded(torch._addmm_activation(X, X, Y, use_gelu=True)) == \
        pytest.approx([0, -0.15866, 2.53627, 1.9001], abs=2e-5)
    assert rounded(torch._add_relu(X, X, alpha=0.5)) == [0.75, 0, 3, 0.375]
    assert X.prelu(torch.tensor([0.5])).tolist() == [[0.5, -0.5], [2, 0.25]]
    assert torch.slice_copy(X, 1, 0, 1).tolist() == [[0.5], [2]]
    assert torch._stack([X, Y], 1).shape == (2, 2, 2)
    i = torch.tensor([[100, -100], [7, 3]], dtype=torch.int8)
    assert torch._int_mm(i, i).tolist() == [[9300, -10300], [721, -691]]
    assert torch._int_mm(i, i).dtype == torch.int32
    with pytest.raises(RuntimeError, match="Expected self dtype to be of type int8"):
        torch._int_mm(X, X)
    assert torch._is_all_true(X > -2).item() is True and torch._is_any_true(X > 5).item() is False


def test_lists_of_tensors():
    pair = [torch.tensor([1.0, -3]), torch.tensor([2.0])]
    assert [t.item() for t in torch._foreach_max(pair)] == [1, 2]
    assert [t.item() for t in torch._foreach_powsum(pair, 2)] == [10, 4]
    assert torch._foreach_clone(pair)[0] is not pair[0]
    assert torch._foreach_mm([X], [Y])[0].tolist() == (X @ Y).tolist()
    found, grads = torch.zeros(1), [torch.tensor([2.0, float("inf")]), torch.tensor([4.0])]
    torch._amp_foreach_non_finite_check_and_unscale_(grads, found, torch.tensor(0.5))
    assert found.item() == 1 and grads[0][0].item() == 1 and grads[1].item() == 2
    scale, steps = torch.tensor(8.0), torch.tensor(1, dtype=torch.int32)
    seen = []
    for broken in (1.0, 0.0, 0.0):
        torch._amp_update_scale_(scale, steps, torch.tensor([broken]), 2.0, 0.5, 2)
        seen.append((scale.item(), steps.item()))
    assert seen == [(4, 0), (4, 1), (8, 0)]


def test_numbers_that_may_be_symbols():
    assert torch.sym_sum([1, 2]) == 3 and torch.sym_sqrt(4) == 2.0
    assert torch.GradScaler is torch.amp.GradScaler


def test_parts_of_attention_that_copies_of_it_call():
    F = torch.nn.functional
    hidden = torch.tensor([True, False])
    assert F._canonical_mask(hidden, "mask", None, "other", torch.float32).tolist() == [-float("inf"), 0]
    assert F._canonical_mask(None, "mask", None, "other", torch.float32) is None
    with pytest.warns(UserWarning, match="Support for mismatched mask and other is deprecated"):
        F._canonical_mask(hidden, "mask", torch.float16, "other", torch.float32)
    with pytest.raises(AssertionError, match="only bool and floating types of mask are supported"):
        F._canonical_mask(torch.tensor([1]), "mask", None, "other", torch.float32)
    assert F._none_or_dtype(None) is None and F._none_or_dtype(X) is torch.float32
    with pytest.raises(RuntimeError, match="must be None or torch.Tensor"):
        F._none_or_dtype(3)
    x, w, b = torch.randn(5, 2, 4), torch.randn(12, 4), torch.randn(12)
    for query, key in ((x, x), (x, torch.randn(5, 2, 4))):
        packed = F._in_projection_packed(query, key, key, w, b)
        apart = F._in_projection(query, key, key, *w.chunk(3), *b.chunk(3))
        assert isinstance(packed, list) and len(packed) == 3
        assert all(torch.allclose(p, a, atol=1e-6) for p, a in zip(packed, apart))
    with pytest.raises(AssertionError, match="expecting k weights shape of"):
        F._in_projection(x, x, x, w[:4], w[:3], w[:4])
    assert F._mha_shape_check(x, x, x, None, None, 2) is True


def test_adaptive_pools_with_positions():
    F = torch.nn.functional
    for n in (1, 2, 3):
        x = torch.randn(1, 2, *(6,) * n)
        values, places = getattr(F, f"adaptive_max_pool{n}d_with_indices")(x, 2)
        assert torch.equal(values, getattr(F, f"adaptive_max_pool{n}d")(x, 2)) and places.dtype == torch.int64


def test_devices_that_are_not_here():
    assert not any(getattr(X, f"is_{name}") for name in ("xla", "ipu", "mtia", "maia", "xpu", "vulkan"))
