"""Storages that move or change hands under views, and memory that is lent to others or borrowed from them."""
import flambeau as torch
import pytest


@pytest.mark.parametrize("numel", [8, 1 << 20])
def test_views_follow_a_storage_that_grows(numel):
    x = torch.zeros(numel)
    view = x[2:5]
    torch.add(torch.full((4 * numel,), 6.0), 1, out=x)
    torch.empty_cache()
    assert view.tolist() == [7, 7, 7]
    view.fill_(3)
    assert x[:6].tolist() == [7, 7, 3, 3, 3, 7]


def test_saved_tensors_follow_a_storage_that_grows():
    x = torch.ones(4, requires_grad=True)
    factor = torch.full((8,), 2.0)
    y = x * factor[:4]
    torch.add(torch.ones(1 << 20), 1, out=factor.data)
    torch.empty_cache()
    y.sum().backward()
    assert x.grad.tolist() == [2, 2, 2, 2]
