"""Operands that overlap the written tensor partly are refused, as PyTorch refuses them."""

import pytest

import flambeau as torch


@pytest.mark.parametrize(
    "write",
    [
        lambda r: r[1:].copy_(r[:-1]),
        lambda r: r.__setitem__(slice(0, -1), r[1:]),
        lambda r: r.index_copy_(0, torch.tensor([0, 1, 2]), r[3:6]),
        lambda r: r.index_add_(0, torch.tensor([0, 1]), r[:2]),
        lambda r: r.scatter_(0, torch.tensor([0, 1]), r[2:4]),
        lambda r: r.index_put_((torch.tensor([0, 1]),), r[2:4]),
        lambda r: torch.cat([r[:4], r[4:]], out=r),
        lambda r: torch.gather(r, 0, torch.tensor([1, 2, 3]), out=r[:3]),
        lambda r: r[1:].add_(r[:-1]),
    ],
)
def test_partial_overlap_is_refused_and_nothing_written(write):
    r = torch.arange(8.0)
    with pytest.raises(RuntimeError, match="some elements of the input tensor and the written-to"):
        write(r)
    assert r.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]


def test_the_same_memory_is_no_partial_overlap():
    r = torch.arange(4.0)
    r.copy_(r.view(4))
    r[:] = r
    torch.cumsum(r, 0, out=r)
    assert r.tolist() == [0, 1, 3, 6]


ALL = [1, 2, 3, 0]


@pytest.mark.parametrize(
    "write",
    [
        lambda r, i: r.index_copy_(0, i, r),
        lambda r, i: r.index_add_(0, i, r),
        lambda r, i: i.index_add_(0, i, torch.ones(4, dtype=torch.long)),
        lambda r, i: i.index_fill_(0, i, 9),
        lambda r, i: r.scatter_(0, i, r),
        lambda r, i: i.scatter_(0, i, 5),
        lambda r, i: r.scatter_add_(0, i, r),
        lambda r, i: r.scatter_reduce_(0, i, r, "sum"),
        lambda r, i: r.index_reduce_(0, i, r, "prod"),
        lambda r, i: r.index_put_((i,), r),
        lambda r, i: i.index_put_((i,), torch.tensor(5)),
        lambda r, i: r.__setitem__(i, r),
        lambda r, i: r.put_(i, r),
        lambda r, i: torch.gather(r, 0, i, out=r),
        lambda r, i: torch.gather(i, 0, i, out=i),
        lambda r, i: torch.index_select(r, 0, i, out=r),
        lambda r, i: torch.take(r, i, out=r),
    ],
)
def test_what_goes_by_an_index_is_wholly_apart(write):
    r, i = torch.arange(4.0), torch.tensor(ALL)
    with pytest.raises(RuntimeError, match="some elements of the input tensor and the written-to"):
        write(r, i)
    assert r.tolist() == [0, 1, 2, 3] and i.tolist() == ALL


@pytest.mark.parametrize('dtype', [torch.int32, torch.int64, torch.float64])
def test_short_rows_onto_themselves_go_element_by_element(dtype):
    x = torch.arange(9, dtype=dtype).view(3, 3).clone()
    x[:, 1:] = x[:, :-1]
    assert x.tolist() == [[0, 0, 0], [3, 3, 3], [6, 6, 6]]
