"""Bags of embeddings: PyTorch's values and gradients, and its errors."""
import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau import nn

INDICES, OFFSETS = [1, 2, 4, 0, 1, 1, 3], [0, 3, 3, 5]
WEIGHTS = [0.5, 1, 2, -1, 3, 0.25, 1]

# Mode, whether weighed, options; then of PyTorch 2.13: the bags, and the gradients of the table and
# of the weights. With scale_grad_by_freq PyTorch divides by how often another row is named; here
# it is the row's own number of times, as its documentation says.
CASES = [
    ('sum', False, {},
     [3.5, 0.5, 0.25, 0.0, 0.0, 0.0, 0.5, 1.25, -0.75, 2.5, 0.5, -1.5],
     [7.0, 8.0, 9.0, 18.0, 21.0, 24.0, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0, 1.0, 2.0, 3.0],
     None),
    ('mean', False, {},
     [1.16667, 0.16667, 0.08333, 0.0, 0.0, 0.0, 0.25, 0.625, -0.375, 1.25, 0.25, -0.75],
     [3.5, 4.0, 4.5, 8.83333, 10.16667, 11.5, 0.33333, 0.66667, 1.0, 5.0, 5.5, 6.0,
      0.33333, 0.66667, 1.0],
     None),
    ('max', False, {},
     [1.5, 0.5, 1.5, 0.0, 0.0, 0.0, 1.5, 0.75, -0.25, 1.5, 0.5, -0.5],
     [0.0, 8.0, 9.0, 18.0, 13.0, 12.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0],
     None),
    ('sum', True, {},
     [3.5, 0.0, 2.0, 0.0, 0.0, 0.0, 5.5, 0.75, -1.25, 1.375, 0.125, -1.125],
     [-7.0, -8.0, -9.0, 24.0, 27.75, 31.5, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0, 2.0, 4.0, 6.0],
     [1.0, -0.5, 4.75, -3.25, 10.0, 14.5, -2.0]),
    ('sum', True, {'padding_idx': 1},
     [2.75, -0.25, 2.25, 0.0, 0.0, 0.0, 1.0, -0.75, 0.25, 1.0, 0.0, -1.0],
     [-7.0, -8.0, -9.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0, 2.0, 4.0, 6.0],
     [0.0, -0.5, 4.75, -3.25, 0.0, 0.0, -2.0]),
    ('mean', False, {'padding_idx': 1},
     [1.0, 0.0, 0.375, 0.0, 0.0, 0.0, -1.0, 0.75, -0.25, 1.0, 0.0, -1.0],
     [7.0, 8.0, 9.0, 0.0, 0.0, 0.0, 0.5, 1.0, 1.5, 10.0, 11.0, 12.0, 0.5, 1.0, 1.5],
     None),
    ('max', False, {'padding_idx': 1},
     [1.25, 0.25, 1.5, 0.0, 0.0, 0.0, -1.0, 0.75, -0.25, 1.0, 0.0, -1.0],
     [7.0, 8.0, 9.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 10.0, 11.0, 12.0, 0.0, 0.0, 3.0],
     None),
    ('mean', False, {'scale_grad_by_freq': True},
     [1.16667, 0.16667, 0.08333, 0.0, 0.0, 0.0, 0.25, 0.625, -0.375, 1.25, 0.25, -0.75],
     [3.5, 4.0, 4.5, 2.94444, 3.38889, 3.83333, 0.33333, 0.66667, 1.0, 5.0, 5.5, 6.0,
      0.33333, 0.66667, 1.0],
     None),
    ('sum', True, {'scale_grad_by_freq': True},
     [3.5, 0.0, 2.0, 0.0, 0.0, 0.0, 5.5, 0.75, -1.25, 1.375, 0.125, -1.125],
     [-7.0, -8.0, -9.0, 8.0, 9.25, 10.5, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0,
      2.0, 4.0, 6.0],
     [1.0, -0.5, 4.75, -3.25, 10.0, 14.5, -2.0]),
]


def table(dtype=torch.float64):
    return ((torch.arange(15) * 7 % 11).reshape(5, 3).double() / 4 - 1).to(dtype)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_values(case, dtype):
    mode, weighed, options, bags, of_table, of_weights = case
    weight = table(dtype).requires_grad_()
    weights = torch.tensor(WEIGHTS, dtype=dtype, requires_grad=True) if weighed else None
    y = F.embedding_bag(torch.tensor(INDICES), weight, torch.tensor(OFFSETS), mode=mode,
                        per_sample_weights=weights, **options)
    assert y.grad_fn.name() == "EmbeddingBagBackward0"
    assert y.reshape(-1).tolist() == pytest.approx(bags, abs=1e-5)
    (y * (torch.arange(12) + 1).reshape(4, 3)).sum().backward()
    assert weight.grad.reshape(-1).tolist() == pytest.approx(of_table, abs=1e-5)
    if weighed:
        assert weights.grad.tolist() == pytest.approx(of_weights, abs=1e-5)


def test_all_results():
    results = torch.embedding_bag(table(), torch.tensor(INDICES), torch.tensor(OFFSETS), False, 1,
                                  padding_idx=-4)
    assert [t.tolist() for t in results[1:]] == [[0, 0, 0, 2, 2, 3, 3], [2, 0, 1, 1], [2, 0, 1, 1]]
    results = torch.embedding_bag(table(), torch.tensor(INDICES), torch.tensor(OFFSETS), False, 2)
    assert results[2].tolist() == [3, 0, 2, 2]
    assert results[3].tolist() == [[1, 1, 4], [0, 0, 0], [1, 0, 0], [1, 1, 1]]


def test_forms_of_input():
    """Rows of a matrix are bags; the last offset may be the end of the last bag."""
    flat, weight = torch.tensor(INDICES), table()
    rows = F.embedding_bag(flat[:6].reshape(3, 2), weight, mode="sum")
    assert torch.equal(rows, F.embedding_bag(flat[:6], weight, torch.tensor([0, 2, 4]), mode="sum"))
    ended = F.embedding_bag(flat, weight, torch.tensor(OFFSETS + [7]), include_last_offset=True)
    assert torch.equal(ended, F.embedding_bag(flat, weight, torch.tensor(OFFSETS)))
    narrow = F.embedding_bag(flat.to(torch.int32), weight, torch.tensor(OFFSETS))
    assert torch.equal(ended, narrow)
    none = F.embedding_bag(flat[:0], weight, torch.tensor([0, 0]))
    assert none.tolist() == [[0.0] * 3] * 2


def test_many_bags():
    """Enough bags for several threads; halves are added up in float32."""
    indices = (torch.arange(1000) * 7 % 5).reshape(250, 4)
    expected = table()[indices].mean(1)
    assert F.embedding_bag(indices, table()).allclose(expected)
    assert F.embedding_bag(indices, table(torch.bfloat16)).allclose(expected.bfloat16())


def test_no_bags_get_no_gradient():
    weight = table().requires_grad_()
    y = F.embedding_bag(torch.tensor(INDICES), weight, torch.tensor([0]), include_last_offset=True)
    assert y.shape == (0, 3)
    y.sum().backward()
    assert not weight.grad.any()


def test_norms_are_limited():
    weight = table(torch.float32)
    F.embedding_bag(torch.tensor([[1, 2], [4, 0]]), weight, max_norm=1.0, mode="sum")
    assert weight.reshape(-1).tolist() == pytest.approx([
        -0.78446448, 0.58834839, -0.19611612, 0.90453398, 0.30151132, -0.30151132, 0.84515417,
        0.16903083, -0.50709248, 1.0, 0.0, -1.0, 0.44232586, -0.14744195, 0.88465172])


def test_module():
    bag = nn.EmbeddingBag(5, 3, max_norm=1.0, padding_idx=-2, mode="sum", scale_grad_by_freq=True)
    assert repr(bag) == ("EmbeddingBag(5, 3, max_norm=1.0, scale_grad_by_freq=True, mode='sum', "
                         "padding_idx=3)")
    torch.manual_seed(0)
    bag = nn.EmbeddingBag(2, 2, padding_idx=1)
    assert bag.weight[0].tolist() == pytest.approx([1.5409961, -0.2934289])
    assert bag.weight[1].tolist() == [0.0, 0.0]
    known = nn.EmbeddingBag.from_pretrained(table(), mode="max")
    assert not known.weight.requires_grad
    assert known(torch.tensor([[0, 4]])).shape == (1, 3)


def test_second_derivatives():
    weight = table().requires_grad_()
    y = F.embedding_bag(torch.tensor([[0, 1]]), weight)
    gradient, = torch.autograd.grad((y * y).sum(), weight, create_graph=True)
    with pytest.raises(NotImplementedError, match="derivative for '_embedding_bag_backward'"):
        gradient.sum().backward()


@pytest.mark.parametrize("indices, offsets, options, kind, message", [
    ([0, 1], [1], {}, RuntimeError, r"offsets\[0\] has to be 0"),
    ([0, 1], [0, 3], {}, RuntimeError, "can not be greater than input's length 2"),
    ([0, 1], [0, 2, 1], {}, IndexError, r"offsets must not decrease: offsets\[2\] is 1 after 2"),
    ([0, 5], [0], {}, RuntimeError, "Index 1 of input takes value 5 which is not in the valid ran"),
    ([0, -1], [0], {"mode": "max"}, RuntimeError, "Expected idx >= 0 && idx < num_embeddings but"),
    ([0, 1], [], {"include_last_offset": True}, RuntimeError, "number of offset should be at leas"),
    ([0, 1], [0], {"padding_idx": 5}, RuntimeError, "must be within the number of embeddings, -5"),
    ([0, 1], [0], {"mode": "all"}, ValueError, "mode has to be one of sum, mean or max"),
    ([0, 1], None, {}, ValueError, "offsets has to be a 1D Tensor but got None"),
    ([[0, 1]], [0], {}, ValueError, "if input is 2D, then offsets has to be None"),
    ([0.0, 1.0], [0], {}, RuntimeError, "but got torch.FloatTensor instead"),
])
def test_refusals(indices, offsets, options, kind, message):
    if offsets is not None:
        offsets = torch.tensor(offsets, dtype=torch.int64)
    with pytest.raises(kind, match=message):
        F.embedding_bag(torch.tensor(indices), table(), offsets, **options)


def test_refused_weights():
    indices, offsets = torch.tensor([0, 1]), torch.tensor([0])
    with pytest.raises(ValueError, match="must have the same shape as the input"):
        F.embedding_bag(indices, table(), offsets, per_sample_weights=torch.ones(3), mode="sum")
    with pytest.raises(NotImplementedError, match="only supported for mode='sum'"):
        F.embedding_bag(indices, table(), offsets, per_sample_weights=torch.ones(2))
    with pytest.raises(RuntimeError, match="torch.DoubleTensor does not equal torch.FloatTensor"):
        F.embedding_bag(indices, table(), offsets, per_sample_weights=torch.ones(2), mode="sum")
