"""Views: what they show, what writing through them does to the base, and to gradients."""

import pytest

import flambeau as torch


def leaf():
    return torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)


WEIGHT = [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    "view, of_base, of_source",
    [
        (lambda t: t.diagonal(), [[0.0, 2.0], [3.0, 0.0]], [1.0, 4.0]),
        (lambda t: t.select(0, 1), [[1.0, 2.0], [0.0, 0.0]], [3.0, 4.0]),
        (lambda t: t[:, 0], [[0.0, 2.0], [0.0, 4.0]], [1.0, 3.0]),
        (lambda t: t.as_strided((2,), (1,), 1), [[1.0, 0.0], [0.0, 4.0]], [2.0, 3.0]),
        (lambda t: t.t()[0], [[0.0, 2.0], [0.0, 4.0]], [1.0, 3.0]),
        (lambda t: t.view(4)[1:3], [[1.0, 0.0], [0.0, 4.0]], [2.0, 3.0]),
        (lambda t: t.narrow(1, 1, 1).squeeze(1),
         [[1.0, 0.0], [3.0, 0.0]], [2.0, 4.0]),
    ],
)
def test_writing_through_a_view_reaches_the_base_and_its_gradient(view, of_base, of_source):
    x, source = leaf(), torch.tensor([5.0, 6.0], requires_grad=True)
    y = x.clone()
    place = view(y)
    place.copy_(source)
    assert view(y).tolist() == [5.0, 6.0]
    assert y._version == place._version == 1
    (y * torch.tensor(WEIGHT)).sum().backward()
    assert x.grad.tolist() == of_base
    assert source.grad.tolist() == of_source


def test_a_view_taken_before_a_write_to_its_base_sees_it():
    x = leaf()
    y = x * 1
    row = y[0]
    y.mul_(3)
    row.sum().backward()
    assert row.tolist() == [3.0, 6.0]
    assert x.grad.tolist() == [[3.0, 3.0], [0.0, 0.0]]


def test_a_leaf_that_needs_its_gradient_refuses_a_write_through_a_view():
    with pytest.raises(RuntimeError, match="leaf"):
        leaf()[0].add_(1)


def test_splitting_by_numbers_lists_and_tensors():
    x = torch.arange(6)
    parts = [[0, 1], [2, 3], [4, 5]]
    assert [t.tolist() for t in x.tensor_split(3)] == parts
    assert [t.tolist() for t in x.tensor_split(torch.tensor([2, 4]))] == parts
    assert [t.tolist() for t in x.tensor_split(torch.tensor(3))] == parts
    assert [t.tolist() for t in torch.hsplit(x, 3)] == parts
    with pytest.raises(RuntimeError):
        torch.hsplit(x, 4)


def test_several_tensors_in_both_forms():
    a, b = torch.ones(2, 1), torch.ones(3)
    assert [t.shape for t in torch.broadcast_tensors(a, b)] == [(2, 3), (2, 3)]
    assert [t.shape for t in torch.atleast_2d(torch.tensor(1), b)] == [(1, 1), (1, 3)]
    assert torch.atleast_1d(torch.tensor(1)).shape == (1,)
    x, y = torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")
    assert x.tolist() == [[0, 0, 0], [1, 1, 1]]
    assert y.tolist() == [[0, 1, 2], [0, 1, 2]]


def test_scattering_into_a_copy():
    x = torch.zeros(2, 2)
    assert torch.diagonal_scatter(x, torch.ones(2)).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert torch.select_scatter(x, torch.ones(2), 0, 1).tolist() == [[0.0, 0.0], [1.0, 1.0]]
    assert torch.slice_scatter(x, torch.ones(1, 2), 0, 0, 1).tolist() == [[1.0, 1.0], [0.0, 0.0]]
    assert x.sum().item() == 0


def test_sum_to_size_counts_truth_values():
    y = torch.tensor([True, True, False]).sum_to_size(1)
    assert y.dtype == torch.int64 and y.tolist() == [2]


def test_block_diag():
    y = torch.block_diag(torch.tensor([[1, 2]]), torch.tensor(3))
    assert y.tolist() == [[1, 2, 0], [0, 0, 3]]
