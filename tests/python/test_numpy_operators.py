"""NumPy's numbers, arrays and functions beside tensors: what PyTorch 2.13 gives."""

import pytest

import flambeau as torch

np = pytest.importorskip("numpy")


@pytest.mark.parametrize("two", [2.0, np.float64(2), np.float32(2), np.int64(2)])
def test_a_number_on_the_left_leaves_the_operator_to_the_tensor(two):
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    y = two * w + (two - w) / 1 + two**w
    assert y.dtype == torch.float32 and y.tolist() == [5.0, 8.0]
    y.sum().backward()
    assert w.grad.tolist() == pytest.approx([2.3862944, 3.7725887])
    assert (two < w).dtype == torch.bool


def test_an_array_on_the_right_gives_a_tensor():
    v = torch.tensor([1.0, 2.0])
    y = v + np.ones(2)
    assert type(y) is torch.Tensor and y.dtype == torch.float64 and y.tolist() == [2.0, 3.0]
    assert (v == np.array([1.0, 3.0])).tolist() == [True, False]
    assert (v != np.array([1.0, 3.0])).tolist() == [False, True]


def test_an_array_on_the_left_is_refused_but_for_quotients():
    v, one = torch.tensor([1.0, 2.0]), np.ones(2)
    for refused in (lambda: one * v, lambda: one + v, lambda: one @ v, lambda: one < v):
        with pytest.raises(TypeError):
            refused()
    assert (one / v).tolist() == [1.0, 0.5]


def test_functions_of_numpy_give_tensors():
    v = torch.tensor([0.0, 1.0])
    assert torch.is_tensor(np.sin(v)) and np.add(v, 1).tolist() == [1.0, 2.0]
    assert np.isnan(v).dtype == torch.uint8
    with pytest.raises(RuntimeError, match="Can't call numpy"):
        np.exp(torch.ones(2, requires_grad=True))


def test_parameters_are_shown_where_nothing_is_recorded():
    p = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="Can't call numpy.. on Tensor that requires grad"):
        p.numpy()
    with torch.no_grad():
        p.numpy()[0] = 5
        assert (p * 2).numpy().tolist() == [10, 2]
    y = p * 3
    with torch.inference_mode():
        assert y.numpy().tolist() == [15, 3] and p.tolist() == [5, 1]
