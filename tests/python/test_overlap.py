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
