"""Input that is wrong, or right and absurd, gets an answer or an exception at once: each test here
is a call that once hung or read through a null pointer (the latter shows under `make sanitize`).
"""

import pytest

import flambeau as fl


def triangle(rows, columns, offset, lower):
    inside = (lambda r, c: c - r <= offset) if lower else (lambda r, c: c - r >= offset)
    pairs = [(r, c) for r in range(rows) for c in range(columns) if inside(r, c)]
    return [[r for r, _ in pairs], [c for _, c in pairs]]


@pytest.mark.parametrize("rows", [0, 1, 3, 5])
@pytest.mark.parametrize("columns", [0, 1, 3, 6])
def test_triangles_have_as_many_places_as_they_write(rows, columns):
    for offset in (-100, *range(-8, 9), 100):
        lower = fl.tril_indices(rows, columns, offset)
        upper = fl.triu_indices(rows, columns, offset)
        assert lower.tolist() == triangle(rows, columns, offset, True)
        assert upper.tolist() == triangle(rows, columns, offset, False)


def test_huge_triangles_are_counted_without_walking_their_rows():
    for make in (fl.tril_indices, fl.triu_indices):
        assert make(2**62, 0).shape == (2, 0)
        assert make(0, 2**62).shape == (2, 0)
        with pytest.raises(RuntimeError, match="too large"):
            make(2**60, 2**60)
    assert fl.triu_indices(2**60, 1).tolist() == [[0], [0]]
    assert fl.tril_indices(2**60, 1, 1 - 2**60).tolist() == [[2**60 - 1], [0]]


def test_mvlgamma_of_an_absurd_order_is_refused():
    for p in (2**32, 2**62, 0, -1):
        with pytest.raises((ValueError, RuntimeError), match="p has to be"):
            fl.mvlgamma(fl.ones(2), p)


def test_empty_lists_of_sizes_are_read_nowhere():
    assert fl.empty(()).shape == ()
    x = fl.zeros(0, requires_grad=True)
    x.as_strided((0,), (1,)).sum().backward()
    assert x.grad.shape == (0,)
