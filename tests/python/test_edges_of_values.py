"""Values at edges where a formula or a dtype gives way: what PyTorch 2.13 gives."""

import math

import pytest

import flambeau as torch
import flambeau.nn.functional as F

inf, nan = math.inf, math.nan
T = torch.tensor


def gradients(f, *values):
    leaves = [v.detach().clone().requires_grad_() for v in values]
    f(*leaves).sum().backward()
    return [leaf.grad.tolist() for leaf in leaves]


def test_the_gradient_of_as_strided_counts_its_offset_from_the_storage():
    base = torch.arange(8.0)
    weights = T([1.0, 2.0])
    leaf = base[3:].requires_grad_()
    for offset, expected in ((4, [0, 1, 0, 2, 0]), (3, [1, 0, 2, 0, 0]), (1, [2, 0, 0, 0, 0])):
        y = leaf.as_strided((2,), (2,), offset)
        assert y.tolist() == [offset, offset + 2]
        assert torch.autograd.grad((y * weights).sum(), leaf)[0].tolist() == expected
    whole = torch.arange(8.0, requires_grad=True)
    y = whole[2:].as_strided((2,), (2,), 1)
    assert torch.autograd.grad((y * weights).sum(), whole)[0].tolist() == [0, 0, 0, 2, 0, 0, 0, 0]


def test_norms_of_windows_of_order_infinity():
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert F.lp_pool2d(-x, inf, 2).tolist() == [[[[5.0, 7.0], [13.0, 15.0]]]]
    assert F.lp_pool2d(-x, -inf, 2).tolist() == [[[[0.0, 2.0], [8.0, 10.0]]]]
    assert F.lp_pool1d(x[0, :, 0], inf, 2, stride=1).tolist() == [[1.0, 2.0, 3.0]]
    assert F.lp_pool3d(x.long()[None, :, 0, :2], inf, (1, 2, 2)).tolist() == [[[[5, 7]]]]


def test_deviations_of_complex_numbers_without_freedom_or_beyond_the_dtype():
    z = T([1 + 1j, 2.0, 3 + 4j])
    with pytest.warns(UserWarning, match="degrees of freedom"):
        std, mean = torch.std_mean(z, correction=5)
    assert std.dtype == torch.float32 and std.item() == inf
    assert mean.tolist() == pytest.approx(2 + 5j / 3)
    wide = torch.std(T([1 + 1j, 2.0, complex(0, 2e30)]))
    assert wide.dtype == torch.float32 and wide.item() == pytest.approx(1.15470059e30)


def test_masked_maxima_of_bytes():
    x = T([[0, 0, 0], [1, 2, 3]], dtype=torch.uint8)
    mask = T([[False, False, True], [True, True, False]])
    assert torch.masked.amax(x, 1, mask=mask).tolist() == [0, 2]
    assert torch.masked.argmax(x, 1, mask=mask)[1] == 1
    assert torch.masked.amin(x, 1, mask=mask).tolist() == [0, 1]


def test_powers_of_complex_numbers_in_a_matrix_are_exact():
    assert torch.vander(T([0j, 1 + 1j, 2.0]), 3).tolist() == [[0, 0, 1], [2j, 1 + 1j, 1], [4, 2, 1]]
    assert torch.vander(T([0, -1, 2]), 4, True).tolist() == [
        [1, 0, 0, 0], [1, -1, 1, -1], [1, 2, 4, 8]]
    for n in (0, 1):
        assert torch.vander(T([3.0, nan]), n).tolist() == [[1.0] * n] * 2


def test_great_integers_are_close_where_they_are():
    one, next_to_it = T([2**60]), T([2**60 + 1])
    assert not torch.isclose(one, next_to_it, rtol=0, atol=0).item()
    assert torch.isclose(one, next_to_it, rtol=0, atol=1).item()
    assert torch.isclose(one, next_to_it).item()
    assert not torch.isclose(T([-(2**63)]), T([2**63 - 1])).item()
    with pytest.raises(AssertionError):
        torch.testing.assert_close(one, next_to_it)
    assert torch.isclose(T([1, 9], dtype=torch.uint16), T([2, 9], dtype=torch.uint16)).tolist() == [
        False, True]


def test_an_exponent_without_dims_promotes_as_a_tensor():
    x = T([1, 4], dtype=torch.int8)
    assert torch.pow(x, T(0.5, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert torch.pow(x, T(0.5, dtype=torch.float64)).tolist() == [1.0, 2.0]
    assert x.pow(T(2)).dtype == torch.int8 and torch.pow(x, 2.0).dtype == torch.float32
    y = torch.pow(torch.ones(2, requires_grad=True), 2)
    assert type(y.grad_fn).__name__ == "PowBackward0"
    y = torch.pow(torch.ones(2, requires_grad=True), torch.ones(2))
    assert type(y.grad_fn).__name__ == "PowBackward1"


def test_a_last_offset_ends_the_last_bag():
    bags = torch.nn.EmbeddingBag(4, 2, include_last_offset=True, mode="sum")
    bags.weight.data.copy_(torch.arange(8.0).reshape(4, 2))
    y = bags(T([0, 1, 2, 3]), T([0, 0, 3]))
    assert y.tolist() == [[0.0, 0.0], [6.0, 9.0]]
    y.sum().backward()
    assert bags.weight.grad.tolist() == [[1.0, 1.0]] * 3 + [[0.0, 0.0]]


def test_gradients_at_edges():
    assert gradients(torch.angle, T([nan, 1.0, -1.0])) == [[0.0, 0.0, 0.0]]
    assert torch.angle(T([nan, 1.0, -1.0]))[1:].tolist() == [0.0, pytest.approx(math.pi)]
    assert gradients(torch.atan2, T([1e-30, 1.0]), T([0.0, -1.0])) == [[0.0, -0.5], [0.0, -0.5]]
    assert gradients(lambda x: F.multilabel_margin_loss(x, T([[1, -1]])), T([[0.0, 1.0]])) == [
        [[0.0, 0.0]]]


def test_results_of_mixed_dtypes():
    y = torch.block_diag(T(1.0, dtype=torch.float64), T([1.0, 2.0]))
    assert y.dtype == torch.float32
    half = T([1.0, 2.0], dtype=torch.float16)
    assert F.poisson_nll_loss(half, T([3, 4]), full=True).dtype == torch.float16
    assert torch.trapezoid(T([0, 0, 1], dtype=torch.uint8), dx=inf).item() == inf
    x = T([1, 2, 3], dtype=torch.uint16)
    assert torch.outer(x, x).tolist() == [[1, 2, 3], [2, 4, 6], [3, 6, 9]]
    assert x.index_select(0, T([2, 0])).tolist() == [3, 1]
    assert torch.repeat_interleave(x, T([1, 0, 2])).tolist() == [1, 3, 3]


def test_rows_are_renormed_by_their_count_of_order_0():
    rows = T([[3.0, 4.0, 0.0]])
    torch.embedding_renorm_(rows, T([0]), 1.0, 0.0)
    assert rows.tolist() == [pytest.approx([1.5, 2.0, 0.0])]


def test_pools_of_int64_are_exact():
    big = 2**53
    x = T([[[big + 1, big], [big + 2, big + 3]]])
    y, at = F.max_pool2d(x, 2, return_indices=True)
    assert y.tolist() == [[[big + 3]]] and at.tolist() == [[[3]]]
    assert F.max_pool2d(x, 2, 1, 1).tolist() == [
        [[big + 1, big + 1, big], [big + 2, big + 3, big + 3], [big + 2, big + 3, big + 3]]
    ]
    assert F.max_pool3d(x[None], (1, 2, 2)).tolist() == [[[[big + 3]]]]
    assert F.avg_pool2d(T([[[big + 1, big + 1], [big + 1, big + 1]]]), 2).tolist() == [[[big + 1]]]
    assert F.avg_pool2d(T([[[-3, 0], [0, 0]]]), 2, divisor_override=-2).tolist() == [[[1]]]


def test_as_strided_scatter_counts_from_the_storage():
    x, src = torch.arange(10.0), torch.full((3,), 9.0)
    assert torch.as_strided_scatter(x[2:], src, (3,), (1,), 0).tolist() == [9, 3, 4, 5, 6, 7, 8, 9]
    assert torch.as_strided_scatter(x[2:], src, (3,), (1,)).tolist() == [9, 9, 9, 5, 6, 7, 8, 9]
    t = torch.arange(12.0).view(3, 4)
    assert torch.as_strided_scatter(t.t(), src, (3,), (4,), 1)[1].tolist() == [9, 9, 9]
    assert torch.as_strided_scatter(t[1:].t(), src, (3,), (1,), 4).tolist() == [
        [9, 8], [9, 9], [9, 10], [7, 11]
    ]
    assert torch.as_strided_scatter(torch.ones(1, 4).expand(3, 4), torch.zeros(2), (2,), (1,), 1)[
        0
    ].tolist() == [1, 0, 0, 1]


def test_renorm_leaves_alone_what_it_does_not_scale():
    x = T([[3.0, 4.0], [nan, 1.0], [0.0, 0.1]])
    (grad,) = gradients(lambda x: x.renorm(2, 0, 1.0), x)
    assert grad[1:] == [[1.0, 1.0], [1.0, 1.0]]
    assert grad[0] == pytest.approx([0.032, -0.024], abs=1e-6)


def test_the_divergence_from_a_target_that_is_zero():
    (x, t) = gradients(lambda x, t: F.kl_div(x, t, reduction="sum"), T([0.5, 0.2]), T([0.0, 1.0]))
    assert x == [0.0, -1.0] and math.isnan(t[0]) and t[1] == pytest.approx(0.8)


def test_nan_to_num_of_complex_numbers():
    x = T([complex(nan, 1), complex(inf, -inf), complex(1, nan)])
    most = torch.finfo(torch.float32).max
    assert torch.nan_to_num(x).tolist() == [1j, complex(most, -most), 1]
    assert torch.nan_to_num(x, 5.0, 6.0, 7.0).tolist() == [5 + 1j, 6 + 7j, 1 + 5j]
    assert x.nan_to_num_().isfinite().all()


def test_hinge_embedding_loss_of_integers():
    x, y = T([1, -3], dtype=torch.int8), T([1, -1], dtype=torch.int8)
    loss = F.hinge_embedding_loss(x, y, margin=1.9, reduction="none")
    assert loss.dtype == torch.int8 and loss.tolist() == [1, 4]
    assert F.hinge_embedding_loss(x, y, reduction="sum").dtype == torch.int64


@pytest.mark.parametrize("degree", [1e30, inf, nan, -1.0])
def test_polynomials_of_no_degree(degree):
    special = torch.special
    x = T([0.5, 2.0, nan])
    for f in (special.hermite_polynomial_h, special.hermite_polynomial_he,
              special.chebyshev_polynomial_t, special.chebyshev_polynomial_u,
              special.laguerre_polynomial_l, special.legendre_polynomial_p):
        assert f(x, degree).tolist() == [0.0, 0.0, 0.0]


def test_the_norm_of_order_zero_gives_no_gradient():
    x = T([3.0, 0.0, -4.0], requires_grad=True)
    y = x.norm(0)
    y.backward()
    assert y.item() == 2 and x.grad is None
    (x.norm(0) + x.sum()).backward()
    assert x.grad.tolist() == [1.0, 1.0, 1.0]


def test_a_weight_of_more_dims_than_the_input():
    x, y = T([[0.5, -1.0], [2.0, 0.0]]), T([[1.0, 0.0], [0.0, 1.0]])
    weight = T([1.0, 2.0, 4.0]).reshape(1, 3, 1, 1)
    loss = F.multilabel_soft_margin_loss(x, y, weight, reduction="none")
    assert loss.shape == (1, 2, 2)
    assert loss[0, 0].tolist() == pytest.approx([1.65927, 1.09642], abs=1e-4)
