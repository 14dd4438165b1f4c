"""Where PyTorch rounds in half precision, and more than once: the numbers here are PyTorch 2.13's."""

import pytest

import flambeau as torch
import flambeau.nn.functional as F

BF = torch.bfloat16


def bf(*values):
    return torch.tensor(values, dtype=BF)


X = bf(1.3, -2.7, 3.9, 0.11)


@pytest.mark.parametrize("f, want", [
    # a number is rounded to the tensor's dtype before it counts ...
    (lambda: X + 0.3, [1.59375, -2.40625, 4.21875, 0.41015625]),
    (lambda: 8.396163642458497 - X, [7.0625, 11.0625, 4.46875, 8.25]),
    (lambda: X.abs() ** 0.3, [1.078125, 1.3515625, 1.5078125, 0.515625]),
    (lambda: X % 0.3, [0.09375, 0.00390625, 0.296875, 0.10986328125]),
    (lambda: torch.add(X, X, alpha=0.3), [1.6875, -3.515625, 5.09375, 0.142578125]),
    (lambda: X > 1.3, [False, False, True, False]),
    (lambda: X + torch.tensor([257, 1, 3, 259]), [258.0, -1.703125, 6.90625, 260.0]),
    # ... but not where it multiplies or divides
    (lambda: X * 0.3, [0.388671875, -0.8125, 1.171875, 0.032958984375]),
    (lambda: X * torch.tensor(0.3), [0.388671875, -0.8125, 1.171875, 0.032958984375]),
    (lambda: X / 0.3, [4.3125, -9.0, 13.0, 0.3671875]),
    (lambda: torch.div(X, 0.3, rounding_mode="trunc"), [4.0, -9.0, 13.0, 0.0]),
    (lambda: 0.3 / X, [0.23046875, -0.11083984375, 0.07666015625, 2.734375]),
])
def test_numbers_beside_halves(f, want):
    assert f().tolist() == want


def test_out_and_in_place_round_alike():
    y = torch.empty(4, dtype=BF)
    torch.add(X, 0.3, out=y)
    assert torch.equal(y, X + 0.3) and torch.equal(X.clone().add_(0.3), y)


def test_a_number_over_a_tensor_is_a_reciprocal_times_it():
    x = torch.tensor([3.0, 7.0, 49.0])
    assert torch.equal(5.0 / x, x.reciprocal() * 5.0)
    assert (2 / torch.tensor([4, 8])).tolist() == [0.5, 0.25]


def test_sums_of_products():
    a, b = torch.arange(1.0, 19).reshape(3, 2, 3).to(BF) / 7, torch.arange(1.0, 28).reshape(3, 3, 3).to(BF) / 5 - 2
    assert torch.addbmm(torch.ones(2, 3, dtype=BF), a, b).tolist() == [[17.0, 19.0, 21.125], [19.25, 22.0, 24.875]]
    up = torch.arange(1.0, 4).to(BF)
    assert torch.addr(bf(1.3).reshape(()), up / 3, up / 7, beta=0.6, alpha=0.2).tolist() == [
        [0.7890625, 0.80078125, 0.80859375], [0.80078125, 0.8203125, 0.83984375], [0.80859375, 0.83984375, 0.8671875]]
    assert F.bilinear(bf(1.3, 2.7), bf(0.7, 0.9), torch.tensor([[[1.1, 2.3], [3.7, 0.3]]], dtype=BF)).tolist() == [
        11.4375]
    assert F.conv_transpose1d(bf(1.3, 2.7, 0.9).unsqueeze(0), bf(0.3, 0.7, 1.1).reshape(1, 1, 3), bf(0.3)).tolist() == [
        [0.69140625, 2.015625, 3.890625, 3.90625, 1.2890625]]


def test_losses():
    z, t = bf(1.7, -2.3, 4.1), bf(0.3, 0.7, 0.1)
    assert F.binary_cross_entropy_with_logits(z, t, reduction="none").tolist() == [1.3515625, 1.703125, 3.6875]
    assert F.soft_margin_loss(torch.tensor([-100.0]), torch.tensor([1.0])).item() == float("inf")


def test_normalisations():
    assert F.batch_norm(bf(1.3, 2.7, 4.1).unsqueeze(1), None, None, training=True).tolist() == [
        [-1.234375], [0.0], [1.21875]]
    x = torch.arange(1.0, 7).to(BF).reshape(1, 2, 3)
    assert F.group_norm(x, 1, bf(1.3, 0.7), bf(0.1, 0.2)).tolist() == [
        [[-1.796875, -1.0390625, -0.279296875], [0.404296875, 0.8125, 1.2265625]]]
    assert F.group_norm(x, 1, torch.ones(2)).dtype == BF
    # squares are summed in float32, and eps is that of float32
    half = torch.float16
    assert F.rms_norm(torch.tensor([300.0, 400, 5], dtype=half), (3,)).tolist() == [
        1.0390625, 1.3857421875, 0.0173187255859375]
    assert F.rms_norm(torch.tensor([1e-3, 2e-3], dtype=half), (2,)).tolist() == [0.61767578125, 1.2353515625]


def test_resizing_and_pooling():
    x = torch.tensor([[[1.3, 2.7, 4.1]]], dtype=BF)
    assert F.interpolate(x, size=5, mode="linear", align_corners=True).tolist() == [
        [[1.296875, 2.0, 2.703125, 3.40625, 4.09375]]]
    volume = torch.arange(1.0, 28).to(BF).reshape(1, 3, 3, 3) / 7
    assert F.adaptive_avg_pool3d(volume, (2, 2, 1)).tolist() == [
        [[[1.140625], [1.5703125]], [[2.421875], [2.859375]]]]


def test_bytes_are_resized_to_the_nearest():
    x = torch.arange(0, 160, 10, dtype=torch.uint8).reshape(1, 1, 4, 4)
    assert F.interpolate(x, size=(3, 3), mode="bilinear").tolist() == [[[[9, 22, 35], [62, 75, 88], [115, 128, 141]]]]
    assert F.interpolate(x, size=(3, 3), mode="bicubic").tolist() == [[[[6, 20, 34], [61, 75, 89], [116, 130, 144]]]]


def test_small_integers():
    byte = torch.uint8
    ones, nines, eights = (torch.full(s, v, dtype=byte) for s, v in (((1, 1), 1), ((3, 1, 2), 9), ((3, 2, 1), 8)))
    assert torch.addbmm(ones, nines, eights).tolist() == [[177]]
    assert torch.full((300,), 1, dtype=byte).sum(dtype=byte).item() == 44
    assert ones.sum_to_size(1).dtype == torch.int64 and ones.sum_to_size(1, 1).dtype == byte
    places = torch.unravel_index(torch.tensor([5], dtype=byte), (2, 3))
    assert [p.item() for p in places] == [1, 2] and places[0].dtype == torch.int64
    a, b = torch.full((1, 1, 1), 3, dtype=byte), torch.full((2, 3, 1), 100, dtype=byte)
    assert torch.tensordot(a, b, dims=((0, 1), (2, 0))).tolist() == [[88, 88, 88]]
